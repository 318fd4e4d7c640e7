package outbox

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/outbox/parts"
	"github.com/s3share/s3share/s3backend"
)

func TestSmallFileIsOneRequest(t *testing.T) {
	for _, size := range []int{0, 1, parts.Size} {
		bubble(t, Config{}, nil, func(r *rig) {
			data := random(1, size)
			r.done(r.create("Delivery/q3.csv", data))
			r.drain()
			r.wantHolds("Delivery/q3.csv", data)
			if got := r.b.Log(); len(got) != 1 || got[0].Op != buckettest.Put {
				r.Errorf("%d bytes were delivered by %v, want one PutObject", size, got)
			}
			if got := r.b.Object("Delivery/q3.csv").Header.ContentType; !strings.HasPrefix(got,
				"text/csv") {
				r.Errorf("content type %q, want text/csv", got)
			}
			r.wantNothing()
		})
	}
}

func TestPartsGoUpWhileAFileIsWritten(t *testing.T) {
	bubble(t, Config{}, nil, func(r *rig) {
		data := random(1, 3*parts.Size+100)
		it := r.create("Delivery/big", nil)
		for off := 0; off < len(data); off += 1 << 20 {
			r.write(it, data[off:min(len(data), off+1<<20)], int64(off))
		}
		synctest.Wait()
		if n := r.b.Count(buckettest.UploadPart); n != 3 {
			r.Errorf("%d parts went up before the file was closed, want the 3 that are whole", n)
		}
		if n := r.b.Count(buckettest.Complete); n != 0 {
			r.Error("the file was delivered before it was closed")
		}
		r.done(it)
		r.drain()
		r.wantHolds("Delivery/big", data)
		if n := r.b.Count(buckettest.UploadPart); n != 4 || r.b.Moved() != int64(len(data)) {
			r.Errorf("%d parts and %d bytes went up, want 4 and %d", n, r.b.Moved(), len(data))
		}
		r.wantNothing()
	})
}

func TestRewrittenPartGoesUpAgain(t *testing.T) {
	bubble(t, Config{}, nil, func(r *rig) {
		data := random(1, 2*parts.Size)
		it := r.create("Delivery/big", data)
		synctest.Wait() // both parts are there
		copy(data[parts.Size+5:], "changed")
		r.write(it, []byte("changed"), parts.Size+5)
		r.done(it)
		r.drain()
		r.wantHolds("Delivery/big", data)
		if n := r.b.Count(buckettest.UploadPart); n != 3 {
			r.Errorf("%d parts went up, want 2 and the changed one again", n)
		}
		r.wantNothing()
	})
}

func TestEditMovesOnlyWhatChanged(t *testing.T) {
	bubble(t, Config{}, nil, func(r *rig) {
		data := random(1, 30<<20)
		r.b.Store("Submissions/disk.img",
			data, &s3backend.Header{ContentType: "text/x-a", User: map[string]string{"k": "v"}})
		it := r.edit("Submissions/disk.img")
		copy(data[15<<20:], "changed")
		r.write(it, []byte("changed"), 15<<20)
		r.done(it)
		r.drain()
		r.wantHolds("Submissions/disk.img", data)
		if n, copies := r.b.Moved(), r.b.Count(buckettest.CopyPart); n > parts.MinSize ||
			copies != 2 {
			r.Errorf("%d bytes went up beside %d copied ranges, want %d at most, and 2",
				n, copies, parts.MinSize)
		}
		if h := r.b.Object("Submissions/disk.img").Header; h.ContentType != "text/x-a" ||
			h.User["k"] != "v" {
			r.Errorf("the edit left the header %+v", h)
		}
		r.wantNothing()
	})
}

func TestTimeAndModeTravelWithTheFile(t *testing.T) {
	at := time.Date(2001, 2, 3, 4, 5, 6, 7, time.UTC)
	for _, c := range []struct {
		name string
		size int
		ops  map[string]int // beside the parts
	}{
		{"small", 10, map[string]int{buckettest.Put: 1}},
		// S3 takes a header at an upload's beginning alone: the server corrects it.
		{"large", parts.Size + 1, map[string]int{buckettest.CreateUpload: 1, buckettest.Complete: 1, buckettest.Copy: 1}},
	} {
		bubble(t, Config{}, nil, func(r *rig) {
			it := r.create("Delivery/f", random(1, c.size))
			synctest.Wait()
			r.done(it)
			r.hold(it) // as cp -p and tar do, after the close
			if err := errors.Join(it.SetMtime(at), it.SetMode(0o640)); err != nil {
				r.Fatal(err)
			}
			r.done(it)
			r.drain()
			h := r.b.Object("Delivery/f").Header
			if got, ok := MtimeOf(h); !got.Equal(at) || !ok {
				r.Errorf("%s: mtime %v, want %v", c.name, got, at)
			}
			if got, ok := ModeOf(h); got != 0o640 || !ok {
				r.Errorf("%s: mode %o, want 640", c.name, got)
			}
			for op, n := range c.ops {
				if got := r.b.Count(op); got != n {
					r.Errorf("%s: %d of %s, want %d", c.name, got, op, n)
				}
			}
			r.wantNothing()
		})
	}
}

func TestTimeAloneIsACopyOnTheServer(t *testing.T) {
	bubble(t, Config{}, nil, func(r *rig) {
		data := random(1, parts.Size+1)
		r.b.Store("Delivery/f", data, &s3backend.Header{CacheControl: "no-cache"})
		it := r.edit("Delivery/f")
		at := time.Date(2001, 2, 3, 4, 5, 6, 7, time.UTC)
		if err := it.SetMtime(at); err != nil {
			r.Fatal(err)
		}
		r.done(it)
		r.drain()
		r.wantHolds("Delivery/f", data)
		h := r.b.Object("Delivery/f").Header
		if got, _ := MtimeOf(h); !got.Equal(at) || h.CacheControl != "no-cache" {
			r.Errorf("header %+v, want mtime %v and what it had", h, at)
		}
		if n := r.b.Moved(); n != 0 {
			r.Errorf("%d bytes went up for a new time", n)
		}
		r.wantNothing()
	})
}

// TestChangingNoByteMovesTheTime, as ftruncate(2) and fallocate(2) do.
func TestChangingNoByteMovesTheTime(t *testing.T) {
	changes := map[string]func(it *Item, size int64) error{
		"truncate to the same size": func(it *Item, size int64) error { return it.Truncate(size) },
		"punch behind the end":      func(it *Item, size int64) error { return it.Punch(size+4, size+5) },
		"punch nothing":             func(it *Item, size int64) error { return it.Punch(size, size) },
		"grow to the same size":     func(it *Item, size int64) error { return it.Grow(size) },
		"grow to less":              func(it *Item, size int64) error { return it.Grow(size / 2) },
	}
	for name, change := range changes {
		for _, size := range []int{0, 10} {
			bubble(t, Config{}, nil, func(r *rig) {
				it := r.create("Delivery/f", random(1, size))
				time.Sleep(time.Hour)
				if err := change(it, int64(size)); err != nil {
					r.Fatal(err)
				}
				_, mtime, _, _ := it.Stat()
				if want := time.Now(); !mtime.Equal(want) {
					r.Errorf("%s, %d bytes: mtime %v, want %v", name, size, mtime, want)
				}
				r.done(it)
				r.drain()
				if got, _ := MtimeOf(r.b.Object("Delivery/f").Header); !got.Equal(mtime) {
					r.Errorf("%s, %d bytes: delivered with mtime %v, want %v", name,
						size, got, mtime)
				}
			})
		}
	}
}

func TestPrivateNamesMakeNoRequest(t *testing.T) {
	bubble(t, Config{}, nil, func(r *rig) {
		data := random(1, 2*parts.Size)
		it := r.create("Delivery/.report.odt.Xy12Z9", data)
		r.done(it)
		time.Sleep(time.Minute)
		if st := it.Status(); st.State != Local || r.b.Count("") != 0 {
			r.Errorf("a private file is %q after %v", st.State, r.b.Log())
		}
		r.hold(it)
		if err := it.Rename("Delivery/report.odt", s3backend.Object{}, nil); err != nil {
			r.Fatal(err)
		}
		r.done(it)
		r.drain()
		r.wantHolds("Delivery/report.odt", data)
		r.wantKeys("Delivery/report.odt")
		r.wantNothing()
	})
}

func TestFolder(t *testing.T) {
	bubble(t, Config{}, nil, func(r *rig) {
		r.b.Store("Delivery/there/", nil, nil)
		for _, key := range []string{"Delivery/new/", "Delivery/there/"} {
			it, err := r.CreateFolder(key)
			if err != nil {
				r.Fatal(err)
			}
			it.Release()
		}
		r.drain()
		r.wantKeys("Delivery/new/", "Delivery/there/")
		if len(r.conflicted) > 0 {
			r.Errorf("conflicts: %q", r.conflicted)
		}
		r.wantNothing()
	})
}

func TestFullOutbox(t *testing.T) {
	bubble(t, Config{Size: 1000}, nil, func(r *rig) {
		it := r.create("Delivery/a", make([]byte, 600))
		if _, err := it.WriteAt(make([]byte, 600), 600); !errors.Is(err, unix.ENOSPC) {
			r.Errorf("WriteAt beyond the outbox's size: %v, want ENOSPC", err)
		}
		r.write(it, make([]byte, 600), 0) // what is there may be written again
		for range 3 {
			if err := it.Truncate(0); err != nil {
				r.Fatal(err)
			}
			r.write(it, bytes.Repeat([]byte("x"), 600), 0) // and what is cut off makes room
		}
		if _, free, err := r.Space(); free != 400 || err != nil {
			r.Errorf("Space tells %d bytes free, %v, want 400", free, err)
		}
		r.done(it)
		r.drain()
		r.wantNothing()
		r.done(r.create("Delivery/b", make([]byte, 1000))) // what was delivered makes room
		r.drain()
	})
}

func TestCommit(t *testing.T) {
	bubble(t, Config{}, nil, func(r *rig) {
		it := r.create("Delivery/f", []byte("one"))
		if err := it.Commit(r.Context()); err != nil {
			r.Fatal(err)
		}
		r.wantHolds("Delivery/f", []byte("one"))
		if err := it.Commit(r.Context()); err != nil || r.b.Count(buckettest.Put) != 1 {
			r.Errorf("Commit of nothing new: %v, %v", err, r.b.Log())
		}
		r.write(it, []byte("two!"), 0)
		if err := it.Commit(r.Context()); err != nil {
			r.Fatal(err)
		}
		r.wantHolds("Delivery/f", []byte("two!"))
		r.done(it)
		r.drain()
		if n := r.b.Count(buckettest.Put); n != 2 ||
			len(r.delivered) != 1 || len(r.conflicted) > 0 {
			r.Errorf("%d puts, delivered %v, conflicts %q", n, r.delivered, r.conflicted)
		}
		r.wantNothing()
	})
}

// TestCommitOfALargeEdit commits twice: the second time the version that was
// opened is gone from S3, replaced by the first.
func TestCommitOfALargeEdit(t *testing.T) {
	bubble(t, Config{}, nil, func(r *rig) {
		data := random(1, 40<<20)
		r.b.Store("Delivery/f", data, nil)
		it := r.edit("Delivery/f")
		for _, off := range []int{30 << 20, 5 << 20} {
			copy(data[off:], "changed")
			r.write(it, []byte("changed"), int64(off))
			if err := it.Commit(r.Context()); err != nil {
				r.Fatalf("Commit of a change at %d: %v", off, err)
			}
			r.wantHolds("Delivery/f", data)
		}
		r.done(it)
		r.drain()
		r.wantHolds("Delivery/f", data)
		r.wantNothing()
	})
}

func TestManyFilesAtOnce(t *testing.T) {
	bubble(t, Config{Workers: 3, Requests: 2}, nil, func(r *rig) {
		var want []string
		for _, name := range strings.Split("abcdefghij", "") {
			key := "Delivery/" + name
			want = append(want, key)
			r.done(r.create(key, []byte(name)))
		}
		r.drain()
		r.wantKeys(want...)
		if !slices.IsSorted(want) || len(r.delivered) != len(want) {
			r.Errorf("delivered %d times, want %d", len(r.delivered), len(want))
		}
		r.wantNothing()
	})
}

// TestCommitWhileS3GoesAway commits a file as a program waits for it, and S3 goes out of reach:
// for a moment, which the program does not notice, or for long, which it is told soon.
func TestCommitWhileS3GoesAway(t *testing.T) {
	for _, c := range []struct {
		away time.Duration
		ok   bool
	}{{0, true}, {5 * time.Second, true}, {time.Hour, false}} {
		t.Run(c.away.String(), func(t *testing.T) {
			var began time.Time
			away := func(b buckettest.S3) buckettest.S3 {
				return buckettest.Wrap(b,
					func(_ context.Context, op, key string, send func() error) error {
						if time.Since(began) < c.away {
							return &s3backend.Error{Op: op, Key: key, Err: io.EOF, Offline: true}
						}
						return send()
					})
			}
			bubble(t, Config{}, away, func(r *rig) {
				it := r.create("Delivery/a", []byte("bytes"))
				began = time.Now()
				err := it.Commit(r.Context())
				if took := time.Since(began); (err == nil) != c.ok || took > 20*time.Second {
					r.Errorf("Commit = %v after %s, want an error: %t", err, took, !c.ok)
				}
				r.done(it)
				time.Sleep(c.away)
				r.Reachable()
				r.drain()
				r.wantHolds("Delivery/a", []byte("bytes"))
			})
		})
	}
}
