package meta

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/s3share/s3share/s3backend"
)

// bottomless is a server whose folder has no end: names of its kind go on.
type bottomless struct {
	name func(n int) string

	mu    sync.Mutex
	pages int // that were asked for
}

func (b *bottomless) List(ctx context.Context, in s3backend.ListInput) (s3backend.Page, error) {
	if err := ctx.Err(); err != nil {
		return s3backend.Page{}, err
	}
	b.mu.Lock()
	b.pages++
	b.mu.Unlock()
	from := 0
	switch {
	case in.Token != "":
		_, _ = fmt.Sscan(in.Token, &from)
	case in.StartAfter != "":
		from = sort.Search(1<<29, func(n int) bool { return in.Prefix+b.name(n) > in.StartAfter })
	}
	var p s3backend.Page
	for n := from; n < from+1000; n++ {
		if name := in.Prefix + b.name(n); in.Delimiter != "" && strings.HasSuffix(name, "/") {
			p.Prefixes = append(p.Prefixes, name)
		} else {
			p.Objects = append(p.Objects,
				s3backend.Object{Key: strings.TrimSuffix(name, "/") + "/x", Size: 1, ETag: "e"})
			if !strings.HasSuffix(name, "/") {
				p.Objects[len(p.Objects)-1].Key = name
			}
		}
	}
	p.Next = fmt.Sprint(from + 1000)
	return p, nil
}

// TestAFolderWithoutAnEndIsAnError reads folders of servers that never end them: so much
// is kept, and then it is an error, and S3 is asked no more.
func TestAFolderWithoutAnEndIsAnError(t *testing.T) {
	long := strings.Repeat("x", 2000)
	for kind, name := range map[string]func(n int) string{
		"files":   func(n int) string { return fmt.Sprintf("%09d%s", n, long) },
		"folders": func(n int) string { return fmt.Sprintf("%09d%s/", n, long) },
	} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &bottomless{name: name}
				c := New(b, Config{})
				defer c.Close()
				l := c.List("p/", -1)
				i, err := 0, error(nil)
				for ; err == nil; i++ {
					_, _, err = l.At(t.Context(), i)
				}
				if !errors.Is(err, ErrTooMany) || i < 40_000 || i > 60_000 {
					t.Errorf("after %d names: %v", i, err)
				}
				synctest.Wait()
				b.mu.Lock()
				pages := b.pages
				b.mu.Unlock()
				if pages > 60+maxAhead/(1000*2000)+3*maxParallel {
					t.Errorf("%d pages were asked for", pages)
				}
				// A name behind all that was read is asked for by itself.
				if _, err := c.Lookup(t.Context(), "p/", "zzz", -1); err != nil {
					t.Errorf("a lookup: %v", err)
				}
			})
		})
	}
}
