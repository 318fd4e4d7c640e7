package cache

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
	"github.com/s3share/s3share/cache/keyname"
)

const roundTrip = 20 * time.Millisecond

// firstAhead is how many files package readahead has fetched at the begin of a stream.
const firstAhead = 8

// far has each request take a round trip.
func far(b buckettest.S3) buckettest.S3 {
	return buckettest.Wrap(b, func(ctx context.Context, _, _ string, send func() error) error {
		select {
		case <-time.After(roundTrip):
			return send()
		case <-ctx.Done():
			return ctx.Err()
		}
	})
}

// readFile opens, reads and closes a file as a program does: it looks the name up
// first.
func (r *rig) readFile(path string) {
	r.Helper()
	if _, err := r.Stat(r.Context(), path); err != nil {
		r.Fatalf("Stat %q: %v", path, err)
	}
	h := r.open(path, OpenMode{})
	defer h.Release()
	if got, want := r.text(h), strings.TrimPrefix(path, "Delivery/"); got != want {
		r.Errorf("%s reads %q", path, got)
	}
}

// names lists a folder's files in the order of its listing.
func (r *rig) names(dir string) (paths []string) {
	r.Helper()
	d, err := r.OpenDir(r.Context(), dir)
	if err != nil {
		r.Fatal(err)
	}
	for {
		e, _, ok, err := d.Next(r.Context())
		if err != nil {
			r.Fatal(err)
		}
		if !ok {
			return paths
		}
		if !e.Attr.Dir {
			paths = append(paths, dir+"/"+e.Name)
		}
	}
}

// byIno puts paths into the order of cp.
func byIno(paths []string) []string {
	slices.SortFunc(paths, func(a, b string) int {
		if keyname.Ino(a) < keyname.Ino(b) {
			return -1
		}
		return 1
	})
	return paths
}

// TestFilesReadInOrderAreFetchedAhead reads all files of a folder in the orders in which programs
// do. Most come before they are asked for, none is fetched twice.
func TestFilesReadInOrderAreFetchedAhead(t *testing.T) {
	const files = 1500
	for _, tt := range []struct {
		name     string
		order    func([]string) []string
		programs int
		most     time.Duration
	}{
		{"in the order of names", slices.Clone[[]string], 1, files / 20 * roundTrip},
		{"in the order of inodes", byIno, 1, files / 20 * roundTrip},
		{"by sixteen programs", slices.Clone[[]string], 16, files / 20 * roundTrip},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, far, func(r *rig) {
				for i := range files {
					name := fmt.Sprintf("f%04d", i)
					r.b.Store("Delivery/"+name, []byte(name), nil)
				}
				paths := tt.order(r.names("Delivery"))
				time.Sleep(2 * fresh) // the listing alone would not do
				r.b.ForgetLog()
				start := time.Now()
				var mu sync.Mutex
				var programs sync.WaitGroup
				for range tt.programs {
					programs.Go(func() {
						for {
							mu.Lock()
							if len(paths) == 0 {
								mu.Unlock()
								return
							}
							path := paths[0]
							paths = paths[1:]
							mu.Unlock()
							r.readFile(path)
						}
					})
				}
				programs.Wait()
				if took := time.Since(start); took > tt.most {
					t.Errorf("took %v, want less than %v", took, tt.most)
				}
				if got := r.b.Count(buckettest.Get); got != files {
					t.Errorf("%d GETs for %d files", got, files)
				}
				if lists := r.b.Count("") - files; lists > 4 {
					t.Errorf("%d requests beside those for the files", lists)
				}
			})
		})
	}
}

// TestTreeIsFetchedAheadDirectoryByDirectory goes on in the next folder where it left off in the
// last, and begins with it before: but in the first folders, it is as fast as in one.
func TestTreeIsFetchedAheadDirectoryByDirectory(t *testing.T) {
	const folders, files = 10, 40
	bubble(t, far, func(r *rig) {
		for i := range folders * files {
			name := fmt.Sprintf("d%02d/f%02d", i/files, i%files)
			r.b.Store("Delivery/"+name, []byte(name), nil)
		}
		start := time.Now()
		for i := range folders {
			for _, path := range r.names(fmt.Sprintf("Delivery/d%02d", i)) {
				r.readFile(path)
			}
		}
		if took, most := time.Since(start), (folders*files/20+5)*roundTrip; took > most {
			t.Errorf("took %v, want less than %v", took, most)
		}
		if got, most := r.b.Count(""), folders*files+folders+2; got > most {
			t.Errorf("%d requests, want at most %d", got, most)
		}
	})
}

// TestFilesInNoOrderAreNotFetchedAhead reads files in no order, or slowly: nothing is fetched in
// vain.
func TestFilesInNoOrderAreNotFetchedAhead(t *testing.T) {
	const files = 1000
	random := rand.New(rand.NewPCG(1, 2))
	for _, tt := range []struct {
		name  string
		pause time.Duration
		pick  func(i int) int
	}{
		{"in no order", 0, func(int) int { return random.IntN(files) }},
		{"one in ten", 0, func(i int) int { return i * 10 % files }},
		{"slowly", 2 * fresh, func(i int) int { return i }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, far, func(r *rig) {
				for i := range files {
					name := fmt.Sprintf("f%04d", i)
					r.b.Store("Delivery/"+name, []byte(name), nil)
				}
				r.list("Delivery")
				r.b.ForgetLog()
				read := map[string]bool{}
				for i := range 100 {
					path := fmt.Sprintf("Delivery/f%04d", tt.pick(i))
					read[path] = true
					r.readFile(path)
					time.Sleep(tt.pause)
				}
				synctest.Wait()
				if got, most := r.b.Count(buckettest.Get), len(read)+firstAhead; got > most {
					t.Errorf("%d GETs for %d files", got, len(read))
				}
			})
		})
	}
}
