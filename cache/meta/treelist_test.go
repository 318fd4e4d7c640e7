package meta

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3share/s3share/cache/buckettest"
)

// holds lists what is in a folder of the bucket, folders with a slash.
func (r *rig) holds(prefix string) (names []string) {
	for _, key := range r.b.Keys() {
		rest, ok := strings.CutPrefix(key, prefix)
		if !ok || rest == "" {
			continue
		}
		if dir, _, below := strings.Cut(rest, "/"); below {
			rest = dir + "/"
		}
		if !slices.Contains(names, rest) {
			names = append(names, rest)
		}
	}
	slices.Sort(names)
	return names
}

// wantFolder reads a folder and compares it with the bucket.
func (r *rig) wantFolder(prefix string) {
	r.Helper()
	l := r.List(prefix, -1)
	got := r.read(l)
	slices.Sort(got)
	if want := r.holds(prefix); !slices.Equal(got, want) {
		r.Errorf("%s shows %q, want %q", prefix, got, want)
	}
	marker, err := l.HasMarker(r.Context())
	if _, want := r.b.Data(prefix); marker != want || err != nil {
		r.Errorf("%s has an object of its own: %v, %v, want %v", prefix, marker, err, want)
	}
}

// walk reads a tree as find does.
func (r *rig) walk(prefix string) {
	r.Helper()
	r.wantFolder(prefix)
	for _, name := range r.holds(prefix) {
		if strings.HasSuffix(name, "/") {
			r.walk(prefix + name)
		}
	}
}

func TestTreeListOfATree(t *testing.T) {
	bubble(t, 1000, Config{}, slowlyAll(20*time.Millisecond), func(r *rig) {
		for d := range 200 {
			r.store(fmt.Sprintf("D/%03d/", d)) // as mkdir makes them
			for f := range 50 {
				r.store(fmt.Sprintf("D/%03d/f%02d", d, f))
			}
		}
		r.walk("D/")
		// A page for a thousand keys, and the parent.
		if n := r.b.Count(buckettest.List); n > 11+1 {
			r.Errorf("a tree of 10,200 keys took %d requests", n)
		}
	})
}

// slowlyAll has each answer take its time.
func slowlyAll(d time.Duration) func(buckettest.S3) buckettest.S3 {
	return func(b buckettest.S3) buckettest.S3 {
		return buckettest.Wrap(b, func(ctx context.Context, _, _ string, send func() error) error {
			err := send()
			if slept := sleepTo(ctx, d); slept != nil {
				return slept
			}
			return err
		})
	}
}

// TestTreeListWithoutReaders lists a little ahead and no further.
func TestTreeListWithoutReaders(t *testing.T) {
	bubble(t, 10, Config{}, nil, func(r *rig) {
		for d := range 100 {
			for f := range 5 {
				r.store(fmt.Sprintf("D/%03d/%d", d, f))
			}
		}
		for d := range 3 {
			r.wantFolder(fmt.Sprintf("D/%03d/", d))
		}
		time.Sleep(2 * treeListIdle)
		if n := r.b.Count(buckettest.List); n > 2+maxPagesAhead+1 {
			r.Errorf("three folders took %d requests", n)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.treeLists) != 0 {
			r.Errorf("a treeList goes on that nobody reads")
		}
	})
}

// TestTreeListOfLargeDirectories gives up where a folder is more than some pages.
func TestTreeListOfLargeDirectories(t *testing.T) {
	bubble(t, 10, Config{}, nil, func(r *rig) {
		for d := range 10 {
			for f := range 200 {
				r.store(fmt.Sprintf("D/%03d/%03d", d, f))
			}
		}
		r.walk("D/")
		if n := r.b.Count(buckettest.List); n > 10*24+maxExtraPages+3 {
			r.Errorf("10 folders of 20 pages took %d requests", n)
		}
	})
}

// TestTreeListAndChanges reads random trees in any order while this program changes
// them, with answers that are late: what is shown is always what S3 holds.
func TestTreeListAndChanges(t *testing.T) {
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 3))
			b := buckettest.New()
			b.PageSize = 2 + rnd.IntN(30)
			c := New(shuffled(rand.New(rand.NewPCG(seed, 4)))(b),
				Config{Entries: 50 + rnd.IntN(1000)})
			defer c.Close()
			r := &rig{t, c, b}
			var folders []string
			for range 60 {
				f := "D/"
				for range 1 + rnd.IntN(3) {
					f += string(rune('a'+rnd.IntN(6))) + []string{"", "-", "."}[rnd.IntN(3)] + "/"
				}
				folders = append(folders, f)
				if rnd.IntN(3) == 0 {
					r.store(f)
				}
				for i := range rnd.IntN(6) {
					r.store(fmt.Sprintf("%s%d", f, i))
				}
			}
			slices.Sort(folders)
			var g sync.WaitGroup
			g.Go(func() { // somebody who reads everything
				for _, f := range folders {
					r.read(c.List(f, -1))
				}
			})
			for i := range 150 {
				f := folders[rnd.IntN(len(folders))]
				if i%2 == 0 {
					f = folders[i%len(folders)]
				}
				key := fmt.Sprintf("%s%d", f, rnd.IntN(6))
				switch rnd.IntN(4) {
				case 0:
					c.Put(b.Store(key, []byte{byte(i)}, nil))
				case 1:
					b.Discard(key)
					c.Remove(key)
				default:
					l := c.List(f, -1)
					got := files(r.read(l))
					if want := files(r.holds(f)); !slices.Equal(got, want) {
						r.Fatalf("seed %d, step %d: %s shows %q, want %q", seed, i, f, got, want)
					}
				}
				if rnd.IntN(10) == 0 {
					time.Sleep(time.Duration(rnd.IntN(3000)) * time.Millisecond)
				}
			}
			g.Wait()
		})
	}
}

// files are the names that are no folders: a folder goes with its last file, which
// the cache is told of by RemoveDir.
func files(names []string) (files []string) {
	for _, n := range names {
		if !strings.HasSuffix(n, "/") {
			files = append(files, n)
		}
	}
	slices.Sort(files)
	return files
}
