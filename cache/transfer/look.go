package transfer

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/s3share/s3share/s3backend"
)

// held is what a key holds, as far as S3 tells.
type held struct {
	obj     s3backend.Object // no ETag: nothing
	denied  bool             // the policy lets us neither read nor list: nothing is known
	refused bool             // S3 has refused a condition since
}

// holds asks what a key holds. Whoever may not read it may perhaps list it.
func holds(ctx context.Context, b Bucket, key string) (held, error) {
	obj, err := s3backend.HeadOrList(ctx, b, key)
	switch {
	case errors.Is(err, s3backend.NotExist):
		return held{}, nil
	case errors.Is(err, s3backend.Denied):
		return held{denied: true}, nil
	}
	return held{obj: obj}, err
}

// ahead is what a listing told of many keys.
type ahead struct {
	found map[string]s3backend.Object
	until string // keys up to this one were listed; "" for none
	end   bool   // all were
}

const (
	// fewFiles are asked for one by one.
	fewFiles = 8
	// pagesAFile bounds the requests, one for so many files, for a
	// listing of which most is of no use, as in a folder of a million keys.
	pagesAFile = 8
)

// lookAhead lists what the keys of files hold, which are sorted and have the same prefix, in
// fewer requests than one for each.
func lookAhead(ctx context.Context, b Bucket, files []local) (*ahead, error) {
	a := &ahead{found: map[string]s3backend.Object{}}
	if len(files) < fewFiles {
		return a, nil
	}
	wanted := map[string]bool{}
	for _, f := range files {
		wanted[f.key] = true
	}
	first, last := files[0].key, files[len(files)-1].key
	prefix := first[:strings.LastIndexByte(first, '/')+1]
	in := s3backend.ListInput{Prefix: prefix, Delimiter: "/"}
	if before := first[:len(first)-1]; len(before) > len(prefix) {
		in.StartAfter = before
	}
	for range len(files)/pagesAFile + 1 {
		page, err := b.List(ctx, in)
		if errors.Is(err, s3backend.Denied) {
			return a, nil
		}
		if err != nil {
			return a, err
		}
		for _, obj := range page.Objects {
			if wanted[obj.Key] {
				a.found[obj.Key] = obj
			}
			a.until = obj.Key
		}
		if in.Token = page.Next; page.Next == "" || a.until >= last {
			a.end = true
			break
		}
	}
	return a, nil
}

// of returns how to learn what a key holds: nothing is asked that is known.
func (a *ahead) of(key string) func(context.Context, Bucket) (held, error) {
	if obj, ok := a.found[key]; ok || a.end || a.until != "" && key <= a.until {
		return func(context.Context, Bucket) (held, error) { return held{obj: obj}, nil }
	}
	return func(ctx context.Context, b Bucket) (held, error) { return holds(ctx, b, key) }
}

// Current returns what S3 holds under keys, by their key; a key that it does not hold is
// missing. Keys of one directory are listed together. Of the keys for which the policy grants
// neither get nor list, unknown is the number.
func Current(ctx context.Context, b Bucket,
	keys []string) (found map[string]s3backend.Object, unknown int, err error) {
	found = map[string]s3backend.Object{}
	var mu sync.Mutex // guards found and unknown
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	keys = slices.Clone(keys)
	slices.SortFunc(keys, func(a, b string) int {
		return cmp.Or(strings.Compare(directoryOf(a), directoryOf(b)), strings.Compare(a, b))
	})
	for len(keys) > 0 && gctx.Err() == nil {
		var files []local
		for len(keys) > 0 &&
			(len(files) == 0 || directoryOf(keys[0]) == directoryOf(files[0].key)) {
			files = append(files, local{key: keys[0]})
			keys = keys[1:]
		}
		known, err := lookAhead(gctx, b, files)
		if err != nil {
			return nil, 0, errors.Join(err, group.Wait())
		}
		for _, f := range files {
			look := known.of(f.key)
			group.Go(func() error {
				now, err := look(gctx, b)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err != nil:
					return err
				case now.denied:
					unknown++
				case now.obj.Key != "":
					found[f.key] = now.obj
				}
				return nil
			})
		}
	}
	if err := group.Wait(); err != nil {
		return nil, 0, err
	}
	return found, unknown, ctx.Err()
}
