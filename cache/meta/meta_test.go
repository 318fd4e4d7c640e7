package meta

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/s3backend"
)

// rig is a cache over a bucket in memory.
type rig struct {
	*testing.T
	*Cache
	b *buckettest.Bucket
}

// bubble runs a test in its own time, with pages of this size.
func bubble(t *testing.T, pageSize int, cfg Config,
	fault func(buckettest.S3) buckettest.S3, test func(*rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := buckettest.New()
		b.PageSize = pageSize
		var s3 buckettest.S3 = b
		if fault != nil {
			s3 = fault(b)
		}
		c := New(s3, cfg)
		defer c.Close()
		test(&rig{t, c, b})
	})
}

func (r *rig) store(keys ...string) {
	for _, key := range keys {
		r.b.Store(key, []byte(key), nil)
	}
}

// read returns the names of a folder as they come, folders with a slash.
func (r *rig) read(l *Listing) (names []string) {
	r.Helper()
	for i := 0; ; i++ {
		e, ok, err := l.At(r.Context(), i)
		if err != nil {
			r.Fatalf("At(%d): %v", i, err)
		}
		if !ok {
			return names
		}
		if !e.Gone() {
			names = append(names, sortName(e))
		}
	}
}

// kind tells what a name is: "", "file", "dir" or "both".
func (r *rig) kind(prefix, name string, maxAge time.Duration) string {
	r.Helper()
	f, err := r.Lookup(r.Context(), prefix, name, maxAge)
	if err != nil {
		r.Fatalf("Lookup(%q, %q): %v", prefix, name, err)
	}
	return map[[2]bool]string{{true, false}: "file", {false, true}: "dir",
		{true, true}: "both"}[[2]bool{f.IsFile, f.IsDir}]
}

func (r *rig) want(prefix, name string, maxAge time.Duration, kind string) {
	r.Helper()
	if got := r.kind(prefix, name, maxAge); got != kind {
		r.Errorf("Lookup(%q, %q, %v) found %q, want %q", prefix, name, maxAge, got, kind)
	}
}

func (r *rig) wantLists(n int) {
	r.Helper()
	if got := r.b.Count(buckettest.List); got != n {
		r.Errorf("%d listings were asked for, want %d", got, n)
	}
}

func TestListingOfAnyPageSize(t *testing.T) {
	for size := 1; size < 8; size++ {
		bubble(t, size, Config{}, nil, func(r *rig) {
			r.store("D/", "D/a", "D/a-1", "D/a/1", "D/a/2", "D/b/", "D/c", "E/x")
			if got, want := r.read(r.List("D/", -1)), []string{"a", "a-1", "a/",
				"b/", "c"}; !slices.Equal(got, want) {
				r.Errorf("pages of %d: %q, want %q", size, got, want)
			}
			for name, kind := range map[string]string{"a": "both", "a-1": "file",
				"b": "dir", "c": "file", "0": "", "a-": "", "d": ""} {
				r.want("D/", name, -1, kind)
			}
			if marker, err := r.List("D/", -1).HasMarker(r.Context()); !marker || err != nil {
				r.Errorf("HasMarker = %v, %v", marker, err)
			}
		})
	}
}

func TestHundredLookupsAreOneRequest(t *testing.T) {
	bubble(t, 0, Config{}, nil, func(r *rig) {
		for i := range 100 {
			r.store(fmt.Sprintf("D/%d", i))
		}
		var g sync.WaitGroup
		for i := range 100 {
			g.Go(func() { r.want("D/", fmt.Sprint(i), -1, "file") })
		}
		g.Wait()
		r.wantLists(1)
	})
}

func TestLargeFolderIsAskedByName(t *testing.T) {
	bubble(t, 10, Config{}, nil, func(r *rig) {
		for i := range 500 {
			r.store(fmt.Sprintf("D/%03d", i))
		}
		r.store("D/300/x", "D/300-1")
		r.want("D/", "300", -1, "both")
		r.want("D/", "499", -1, "file")
		r.want("D/", "none", -1, "")
		if n := r.b.Count(buckettest.List); n > 8 {
			r.Errorf("three names of a large folder took %d requests", n)
		}
		for i := range pointsBeforeAll + 1 {
			r.kind("D/", fmt.Sprintf("%03d", i+200), -1)
		}
		synctest.Wait() // now it is worth to be listed
		r.b.ForgetLog()
		for i := range 100 {
			r.want("D/", fmt.Sprintf("%03d", i+300),
				-1, map[bool]string{true: "both", false: "file"}[i == 0])
		}
		r.wantLists(0)
	})
}

// TestStatStorm looks up all names of a folder that nobody has listed, and more than
// there are, again and again.
func TestStatStorm(t *testing.T) {
	bubble(t, 1000, Config{}, slowlyAll(20*time.Millisecond), func(r *rig) {
		for i := range 10_000 {
			r.store(fmt.Sprintf("D/f%05d", i))
		}
		for round := range 3 {
			r.b.ForgetLog()
			for i := range 12_000 {
				r.want("D/", fmt.Sprintf("f%05d", i), -1, map[bool]string{true: "file"}[i < 10_000])
				time.Sleep(100 * time.Microsecond)
			}
			// The folder's pages, and no name by itself.
			if n := r.b.Count(buckettest.List); n > 11 {
				r.Errorf("round %d: 12,000 names took %d requests", round, n)
			}
			time.Sleep(2 * maxTTL)
		}
	})
}

func TestAgesOfAnswers(t *testing.T) {
	bubble(t, 0, Config{}, nil, func(r *rig) {
		r.store("D/a")
		r.want("D/", "a", -1, "file")
		r.want("D/", "b", -1, "")
		r.b.Discard("D/a")
		r.store("D/b")
		time.Sleep(absentTTL + time.Millisecond)
		r.want("D/", "b", -1, "file") // that there is none holds for a second
		r.store("D/a")
		r.b.Discard("D/b")
		time.Sleep(defaultTTL - time.Second)
		r.want("D/", "b", -1, "file")
		r.want("D/", "b", time.Second, "") // nobody sees more than the age he allows
		r.want("D/", "a", -1, "file")
		time.Sleep(defaultTTL + time.Millisecond)
		r.b.Discard("D/a")
		r.want("D/", "a", -1, "")
	})
}

func TestAgesOfAnswersAboutSingleNames(t *testing.T) {
	bubble(t, 2, Config{}, nil, func(r *rig) {
		r.store("D/1", "D/2", "D/3", "D/a")
		r.kind("D/", "1", -1)
		r.want("D/", "a", -1, "file")
		r.want("D/", "b", -1, "")
		r.store("D/b")
		time.Sleep(absentTTL + time.Millisecond)
		r.want("D/", "b", -1, "file")
		r.b.ForgetLog()
		r.want("D/", "a", -1, "file")
		r.wantLists(0)
	})
}

func TestOwnChangesShowAtOnce(t *testing.T) {
	for _, size := range []int{0, 1, 3} {
		bubble(t, size, Config{}, nil, func(r *rig) {
			r.store("D/a", "D/b", "D/c/x", "D/d")
			r.read(r.List("D/", -1))
			r.Put(r.b.Store("D/new", []byte("x"), nil))
			r.b.Discard("D/a")
			r.Remove("D/a")
			r.b.Discard("D/c/x")
			r.RemoveDir("D/c/")
			r.store("D/e/")
			r.PutDir("D/e/")
			for name, kind := range map[string]string{"new": "file", "a": "", "c": "",
				"e": "dir", "b": "file"} {
				r.want("D/", name, -1, kind)
			}
			got := r.read(r.List("D/", -1))
			if slices.Sort(got); !slices.Equal(got, []string{"b", "d", "e/", "new"}) {
				r.Errorf("the folder shows %q", got)
			}
			r.Put(r.b.Store("D/a", []byte("again"), nil))
			r.want("D/", "a", -1, "file")
		})
	}
}

// slowly has answers be a second on their way, once slow is set.
func slowly(slow *atomic.Bool) func(buckettest.S3) buckettest.S3 {
	return func(b buckettest.S3) buckettest.S3 {
		return buckettest.Wrap(b, func(ctx context.Context, _, _ string, send func() error) error {
			err := send()
			if slow.Load() {
				_ = sleepTo(ctx, time.Second)
			}
			return err
		})
	}
}

// TestChangesDuringAListing changes the folder while answers are on their way that
// S3 gave before.
func TestChangesDuringAListing(t *testing.T) {
	var slow atomic.Bool
	bubble(t, 0, Config{}, slowly(&slow), func(r *rig) {
		r.store("D/a", "D/b")
		r.read(r.List("D/", -1))
		slow.Store(true)
		for range 3 { // each begun while the one before is on its way
			time.Sleep(300 * time.Millisecond)
			r.List("D/", 0)
		}
		synctest.Wait()
		r.Put(r.b.Store("D/new", []byte("x"), nil))
		r.b.Discard("D/a")
		r.Remove("D/a")
		for range 20 {
			if f, known := r.Known("D/", "a", -1); known && f.IsFile {
				r.Fatal("a file that was removed is shown again")
			}
			r.want("D/", "b", -1, "file")
			r.want("D/", "new", -1, "file")
			time.Sleep(100 * time.Millisecond)
		}
	})
}

func sleepTo(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// TestLookupAfterAPut joins no question that was asked before the change.
func TestLookupAfterAPut(t *testing.T) {
	var slow atomic.Bool
	bubble(t, 2, Config{}, slowly(&slow), func(r *rig) {
		r.store("D/1", "D/2", "D/3", "D/4")
		r.kind("D/", "1", -1) // now it is known to be large
		time.Sleep(2 * defaultTTL)
		slow.Store(true)
		var g sync.WaitGroup
		g.Go(func() { r.kind("D/", "new", -1) })
		synctest.Wait()
		r.Put(r.b.Store("D/new", []byte("x"), nil))
		r.want("D/", "new", -1, "file")
		g.Wait()
	})
}

// TestStreaming gives the first names while later pages are on their way.
func TestStreaming(t *testing.T) {
	fault := func(b buckettest.S3) buckettest.S3 {
		n := 0
		return buckettest.Wrap(b, func(ctx context.Context, _, _ string, send func() error) error {
			if n++; n > 1 {
				return sleepTo(ctx, time.Hour)
			}
			return send()
		})
	}
	bubble(t, 3, Config{}, fault, func(r *rig) {
		r.store("D/1", "D/2", "D/3", "D/4")
		l := r.List("D/", -1)
		if e, ok, err := l.At(r.Context(), 2); e.Name != "3" || !ok || err != nil {
			r.Errorf("At(2) = %+v, %v, %v", e, ok, err)
		}
		ctx, cancel := context.WithTimeout(r.Context(), time.Second)
		defer cancel()
		if _, _, err := l.At(ctx, 3); !errors.Is(err, context.DeadlineExceeded) {
			r.Errorf("At(3) of who waits a second: %v", err)
		}
	})
}

// TestDropKeepsReaders forgets a folder that somebody reads: he reads on.
func TestDropKeepsReaders(t *testing.T) {
	var slow atomic.Bool
	slow.Store(true)
	bubble(t, 2, Config{}, slowly(&slow), func(r *rig) {
		var want []string
		for i := range 20 {
			want = append(want, fmt.Sprintf("%02d", i))
			r.store("D/" + want[i])
		}
		l := r.List("D/", -1)
		if _, _, err := l.At(r.Context(), 0); err != nil {
			r.Fatal(err)
		}
		r.Drop("D/")
		if got := r.read(l); !slices.Equal(got, want) {
			r.Errorf("read on %q, want %q", got, want)
		}
	})
}

func TestFailedListingIsAskedAgain(t *testing.T) {
	fault := func(b buckettest.S3) buckettest.S3 {
		return buckettest.Fail(b, buckettest.List, 1, s3backend.Busy)
	}
	bubble(t, 0, Config{}, fault, func(r *rig) {
		r.store("D/a")
		if _, err := r.Lookup(r.Context(), "D/", "a", -1); !errors.Is(err, s3backend.Busy) {
			r.Errorf("Lookup = %v, want Busy", err)
		}
		r.want("D/", "a", -1, "file")
	})
}

// TestEviction keeps to the budget, and its count never drifts from what is there.
func TestEviction(t *testing.T) {
	bubble(t, 4, Config{Entries: 30}, nil, func(r *rig) {
		for dir := range 10 {
			for i := range 10 {
				r.store(fmt.Sprintf("%d/%d", dir, i))
			}
		}
		for i := range 200 {
			prefix := fmt.Sprintf("%d/", i*7%10)
			switch i % 6 {
			case 0:
				r.Drop(prefix)
			case 1:
				r.List(prefix, 0) // begun, and perhaps replaced before it ends
				r.List(prefix, 0)
			case 2:
				r.Put(r.b.Object(prefix + "3"))
			default:
				r.read(r.List(prefix, -1))
			}
			if i%3 == 0 {
				time.Sleep(defaultTTL)
			}
			synctest.Wait()
			r.mu.Lock()
			total, sum := r.total, 0
			for _, d := range r.dirs.Values() {
				sum += d.size()
			}
			r.mu.Unlock()
			if total != sum || total > 30+10 {
				r.Fatalf("after %d steps %d entries count, %d are kept, of 30", i+1, total, sum)
			}
		}
	})
}

// TestConcurrency is for the race detector.
func TestConcurrency(t *testing.T) {
	bubble(t, 3, Config{Entries: 20}, nil, func(r *rig) {
		var g sync.WaitGroup
		for w := range 8 {
			g.Go(func() {
				for i := range 50 {
					prefix, name := fmt.Sprintf("%d/", (w+i)%4), fmt.Sprint(i%9)
					switch i % 5 {
					case 0:
						r.Put(r.b.Store(prefix+name, nil, nil))
					case 1:
						r.b.Discard(prefix + name)
						r.Remove(prefix + name)
					case 2:
						r.Drop(prefix)
					case 3:
						r.read(r.List(prefix, 0))
					default:
						r.kind(prefix, name, -1)
					}
				}
			})
		}
		g.Wait()
	})
}
