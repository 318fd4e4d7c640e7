package meta

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/s3share/s3share/s3backend"
)

// TestSmallTreeIsOneRequest walks through a tree, looks up what is in it, and walks
// again when all of that is too old.
func TestSmallTreeIsOneRequest(t *testing.T) {
	bubble(t, 1000, Config{}, nil, func(r *rig) {
		for d := range 20 {
			r.store(fmt.Sprintf("D/%02d/", d))
			for f := range 25 {
				r.store(fmt.Sprintf("D/%02d/deep/%02d", d, f))
			}
		}
		for range 3 {
			r.b.ForgetLog()
			r.want("D/", "07", -1, "dir")
			r.walk("D/")
			r.want("D/07/deep/", "24", -1, "file")
			r.want("D/07/deep/", "25", -1, "")
			r.wantLists(1)
			time.Sleep(2 * defaultTTL)
		}
	})
}

// lists is a bucket by its List.
type lists func(context.Context, s3backend.ListInput) (s3backend.Page, error)

func (f lists) List(ctx context.Context, in s3backend.ListInput) (s3backend.Page, error) {
	return f(ctx, in)
}

// TestFolderThatIsOnlyLookedAt is asked once for all that is below it, and then for
// its own names, until somebody goes on into it.
func TestFolderThatIsOnlyLookedAt(t *testing.T) {
	bubble(t, 1000, Config{}, nil, func(r *rig) {
		for f := range 900 {
			r.store(fmt.Sprintf("D/sub/%03d", f))
		}
		var asked []string
		r.bucket = lists(func(ctx context.Context, in s3backend.ListInput) (s3backend.Page, error) {
			asked = append(asked, in.Delimiter)
			return r.b.List(ctx, in)
		})
		for range 3 {
			r.wantFolder("D/")
			time.Sleep(2 * defaultTTL)
		}
		if want := []string{"", "/", "/"}; !slices.Equal(asked, want) {
			r.Errorf("asked with the delimiters %q, want %q", asked, want)
		}
	})
}

// TestListWithADelimiterAlone goes on under a policy that grants no more.
func TestListWithADelimiterAlone(t *testing.T) {
	bubble(t, 1000, Config{}, nil, func(r *rig) {
		r.store("D/a", "D/b/c")
		r.bucket = lists(func(ctx context.Context, in s3backend.ListInput) (s3backend.Page, error) {
			if in.Delimiter == "" {
				return s3backend.Page{}, s3backend.Denied
			}
			return r.b.List(ctx, in)
		})
		r.walk("D/")
		r.want("D/b/", "c", -1, "file")
	})
}

// TestSubtreeListingIsRight shows, whatever is below and however long pages are, what S3 holds.
func TestSubtreeListingIsRight(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 5))
	for range 200 {
		bubble(t, 1+rnd.IntN(12), Config{}, nil, func(r *rig) {
			for range rnd.IntN(40) {
				key := "D/"
				for range rnd.IntN(4) {
					key += string(rune('a'+rnd.IntN(4))) + []string{"", "-", "."}[rnd.IntN(3)] + "/"
				}
				r.store(key + []string{"", "x", "a", "a-b"}[rnd.IntN(4)])
			}
			for _, name := range []string{"a", "b-", "c.", "none"} {
				want := ""
				if slices.Contains(r.holds("D/"), name+"/") {
					want = "dir"
				}
				if slices.Contains(r.holds("D/"), name) {
					want = map[string]string{"": "file", "dir": "both"}[want]
				}
				r.want("D/", name, -1, want)
			}
			r.walk("D/")
		})
	}
}
