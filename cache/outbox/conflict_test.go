package outbox

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/outbox/parts"
	"github.com/s3share/s3share/s3backend"
)

// TestConflict has the other party change a key after a file was staged for it:
// both versions stay.
func TestConflict(t *testing.T) {
	big := random(1, 2*parts.Size+100)
	for _, c := range []struct {
		name string
		base []byte // nil for a new file
		edit func(*rig, *Item)
		want []byte // of ours, beside theirs
	}{
		{"new", nil, func(r *rig, it *Item) { r.write(it, []byte("ours"), 0) }, []byte("ours")},
		{"large new", nil, func(r *rig, it *Item) { r.write(it, big, 0); synctest.Wait() }, big},
		{"small edit", []byte("before"), func(r *rig, it *Item) { r.write(it, []byte("B"), 0); synctest.Wait() }, []byte("Before")},
		{"all new bytes", big, func(r *rig, it *Item) { r.write(it, random(2, len(big)), 0) }, random(2, len(big))},
		{"truncated", big, func(r *rig, it *Item) {
			if err := it.Truncate(0); err != nil {
				r.Fatal(err)
			}
		}, []byte{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, Config{Who: "Ann (ops/1)"}, nil, func(r *rig) {
				var it *Item
				if c.base == nil {
					it = r.create("Delivery/a.b.csv", nil)
				} else {
					r.b.Store("Delivery/a.b.csv", c.base, nil)
					it = r.edit("Delivery/a.b.csv")
				}
				c.edit(r, it)
				r.b.Store("Delivery/a.b.csv", []byte("theirs"), nil)
				r.done(it)
				r.drain()
				r.wantHolds("Delivery/a.b.csv", []byte("theirs"))
				if len(r.conflicted) != 1 {
					r.Fatalf("conflicts %q, want one", r.conflicted)
				}
				beside := r.conflicted[0]
				if !strings.HasPrefix(beside, "Delivery/a.b (conflict Ann ops-1 2000-01-01 ") ||
					!strings.HasSuffix(beside, "Z).csv") {
					r.Errorf("our version is at %q", beside)
				}
				r.wantHolds(beside, c.want)
				if st := it.Status(); st.State != Conflict || st.Key != beside {
					r.Errorf("status %+v, want a conflict", st)
				}
				r.wantNothing()
			})
		})
	}
}

// TestBaseIsGone edits a little of a large file that the other party replaces or
// removes meanwhile: what the edit lay upon can be had no more.
func TestBaseIsGone(t *testing.T) {
	for name, gone := range map[string]func(*rig){
		"replaced": func(r *rig) { r.b.Store("Delivery/a", []byte("theirs"), nil) },
		"removed":  func(r *rig) { r.b.Discard("Delivery/a") },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, Config{}, nil, func(r *rig) {
				r.b.Store("Delivery/a", random(1, 3*parts.Size), nil)
				it := r.edit("Delivery/a")
				r.write(it, []byte("changed"), 0)
				gone(r)
				r.done(it)
				var left *LeftError
				if err := r.Drain(r.Context()); !errors.As(err, &left) {
					r.Fatalf("Drain = %v, want the file left", err)
				}
				st := it.Status()
				if st.State != Blocked || !strings.Contains(st.Reason, it.path) {
					r.Errorf("status %+v, want it blocked, and where the edit is", st)
				}
				if got := r.stagedFiles(); len(got) != 1 || got[0] != it.path {
					r.Errorf("staged files %q, want the edit kept", got)
				}
			})
		})
	}
}

// TestBaseIsGoneButCached does the same with a base whose bytes are all here.
func TestBaseIsGoneButCached(t *testing.T) {
	for name, gone := range map[string]func(*rig){
		"replaced": func(r *rig) { r.b.Store("Delivery/a", []byte("theirs"), nil) },
		"removed":  func(r *rig) { r.b.Discard("Delivery/a") },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, Config{}, nil, func(r *rig) {
				data := random(1, 3*parts.Size)
				obj := r.b.Store("Delivery/a", data, nil)
				it, err := r.Create("Delivery/a", obj, obj, cached(data), nil)
				if err != nil {
					r.Fatal(err)
				}
				r.write(it, []byte("changed"), 0)
				gone(r)
				r.done(it)
				r.drain()
				want := append([]byte("changed"), data[7:]...)
				if name == "removed" {
					r.wantHolds("Delivery/a", want)
					r.wantKeys("Delivery/a")
				} else {
					r.wantHolds("Delivery/a", []byte("theirs"))
					r.wantHolds(r.conflicted[0], want)
				}
				r.wantNothing()
			})
		})
	}
}

// cached is a base that is in memory.
type cached []byte

func (c cached) ReadAt(_ context.Context, p []byte, off int64) (int, error) {
	return copy(p, c[off:]), nil
}

func TestRemovedByTheOtherParty(t *testing.T) {
	bubble(t, Config{}, nil, func(r *rig) {
		r.b.Store("Delivery/a", []byte("before"), nil)
		it := r.edit("Delivery/a")
		r.write(it, []byte("B"), 0)
		synctest.Wait()
		r.b.Discard("Delivery/a")
		r.done(it)
		r.drain()
		r.wantHolds("Delivery/a", []byte("Before"))
		r.wantKeys("Delivery/a")
		r.wantNothing()
	})
}

// TestLostReplyIsNoConflict has S3 carry a commit out and its answer get lost.
func TestLostReplyIsNoConflict(t *testing.T) {
	for _, c := range []struct {
		name string
		op   string
		size int
		over bool
		lose func(buckettest.S3, string, int64) buckettest.S3
	}{
		{"put", buckettest.Put, 10, false, buckettest.LoseReply},
		{"put over", buckettest.Put, 10, true, buckettest.LoseReply},
		{"complete", buckettest.Complete, parts.Size + 1, false, buckettest.LoseReply},
		{"complete over", buckettest.Complete, parts.Size + 1, true, buckettest.LoseReply},
		{"put tried twice", buckettest.Put, 10, false, buckettest.SeemStale},
		{"put over tried twice", buckettest.Put, 10, true, buckettest.SeemStale},
		{"complete tried twice", buckettest.Complete, parts.Size + 1, false, buckettest.SeemStale},
		{"complete over tried twice", buckettest.Complete, parts.Size + 1, true, buckettest.SeemStale},
		{"begin", buckettest.CreateUpload, parts.Size + 1, false, buckettest.LoseReply},
		{"part", buckettest.UploadPart, parts.Size + 1, false, buckettest.LoseReply},
	} {
		t.Run(c.name, func(t *testing.T) {
			fault := func(b buckettest.S3) buckettest.S3 { return c.lose(b, c.op, 1) }
			bubble(t, Config{}, fault, func(r *rig) {
				data := random(1, c.size)
				it := r.create("Delivery/a", nil)
				if c.over {
					it.Drop()
					r.b.Store("Delivery/a", []byte("before"), nil)
					it = r.edit("Delivery/a")
					if err := it.Truncate(0); err != nil {
						r.Fatal(err)
					}
				}
				r.write(it, data, 0)
				r.done(it)
				r.drain()
				r.wantHolds("Delivery/a", data)
				r.wantKeys("Delivery/a")
				if len(r.conflicted) > 0 || len(r.delivered) != 1 ||
					r.delivered[0].ETag != r.b.Object("Delivery/a").ETag {
					r.Errorf("conflicts %q, delivered %+v", r.conflicted, r.delivered)
				}
				if n := r.b.Uploads(); c.op != buckettest.CreateUpload && n > 0 {
					r.Errorf("%d uploads were left", n)
				}
			})
		})
	}
}

func TestRenameOfAnEditLeavesOneName(t *testing.T) {
	bubble(t, Config{}, nil, func(r *rig) {
		r.b.Store("Delivery/a", []byte("before"), nil)
		it := r.edit("Delivery/a")
		r.write(it, []byte("B"), 0)
		if err := it.Rename("Delivery/b", s3backend.Object{}, nil); err != nil {
			r.Fatal(err)
		}
		r.done(it)
		r.drain()
		r.wantHolds("Delivery/b", []byte("Before"))
		r.wantKeys("Delivery/b")
		r.wantNothing()
	})
}

// TestRenameThereAndBack must not find its own base in the way.
func TestRenameThereAndBack(t *testing.T) {
	bubble(t, Config{}, nil, func(r *rig) {
		r.b.Store("Delivery/a", []byte("before"), nil)
		it := r.edit("Delivery/a")
		r.write(it, []byte("B"), 0)
		for _, key := range []string{"Delivery/b", "Delivery/a"} {
			if err := it.Rename(key, s3backend.Object{}, nil); err != nil {
				r.Fatal(err)
			}
		}
		r.done(it)
		r.drain()
		r.wantHolds("Delivery/a", []byte("Before"))
		r.wantKeys("Delivery/a")
		if len(r.conflicted) > 0 {
			r.Errorf("conflicts %q", r.conflicted)
		}
		r.wantNothing()
	})
}

// TestDropAfterRename removes an edit that had got another name: its first name
// is not to come back.
func TestDropAfterRename(t *testing.T) {
	bubble(t, Config{}, nil, func(r *rig) {
		r.b.Store("Delivery/a", []byte("before"), nil)
		it := r.edit("Delivery/a")
		r.write(it, []byte("B"), 0)
		if err := it.Rename("Delivery/b", s3backend.Object{}, nil); err != nil {
			r.Fatal(err)
		}
		it.Drop()
		it.Close()
		r.drain()
		r.wantKeys()
		r.wantNothing()
	})
}

// TestNewFileAtTheKeyOfAnObsoleteVersion creates a file where an edit was, which got another name
// and is still on its way: its base is not the other party's version.
func TestNewFileAtTheKeyOfAnObsoleteVersion(t *testing.T) {
	for _, size := range []int{10, 3 * parts.Size} {
		var held *buckettest.Holder
		op := map[bool]string{true: buckettest.Put, false: buckettest.CopyPart}[size <= parts.Size]
		fault := func(b buckettest.S3) (s3 buckettest.S3) {
			s3, held = buckettest.Hold(b, op)
			return s3
		}
		bubble(t, Config{}, fault, func(r *rig) {
			data := random(1, size)
			r.b.Store("Delivery/a", data, nil)
			it := r.edit("Delivery/a")
			r.write(it, []byte("edited"), 0)
			if err := it.Rename("Delivery/a.bak", s3backend.Object{}, nil); err != nil {
				r.Fatal(err)
			}
			r.done(it)
			<-held.Entered
			r.done(r.create("Delivery/a", []byte("new")))
			time.Sleep(time.Second)
			synctest.Wait()
			held.Release()
			r.drain()
			r.wantHolds("Delivery/a", []byte("new"))
			r.wantHolds("Delivery/a.bak", append([]byte("edited"), data[6:]...))
			r.wantKeys("Delivery/a", "Delivery/a.bak")
			if len(r.conflicted) > 0 {
				r.Errorf("conflicts %q", r.conflicted)
			}
			r.wantNothing()
		})
	}
}

// TestSwappedNamesAreDelivered exchanges the names of two edits.
func TestSwappedNamesAreDelivered(t *testing.T) {
	bubble(t, Config{}, nil, func(r *rig) {
		r.b.Store("Delivery/a", []byte("a before"), nil)
		r.b.Store("Delivery/b", []byte("b before"), nil)
		a, b := r.edit("Delivery/a"), r.edit("Delivery/b")
		r.write(a, []byte("A"), 0)
		r.write(b, []byte("B"), 0)
		if err := errors.Join(a.Rename("Delivery/b", s3backend.Object{}, nil),
			b.Rename("Delivery/a", s3backend.Object{}, nil)); err != nil {
			r.Fatal(err)
		}
		r.done(a)
		r.done(b)
		r.drain()
		r.wantHolds("Delivery/b", []byte("A before"))
		r.wantHolds("Delivery/a", []byte("B before"))
		r.wantKeys("Delivery/a", "Delivery/b")
		r.wantNothing()
	})
}

// TestConflictCopyHidesNothing recovers a file that an earlier process may have sent, while the
// other party has put a version of the same size: both are shown.
func TestConflictCopyHidesNothing(t *testing.T) {
	recoverable(t, nil, func(r *rig) {
		if err := r.create("Delivery/a", []byte("ours ")).Seal(); err != nil {
			r.Fatal(err)
		}
		t, dir, b := r.T, r.TempDir(), r.b
		copyDir(t, r.dir, dir)
		r.Close()
		theirs := b.Store("Delivery/a", []byte("their"), nil)
		looked := false
		r = newRig(t, b, dir, Config{}, func(b buckettest.S3) buckettest.S3 {
			return buckettest.Wrap(b,
				func(_ context.Context, op, key string, send func() error) error {
					if op == buckettest.Put && key != "Delivery/a" {
						looked = true
						if r.Hides(theirs) {
							t.Error(
								"an item that has become a conflict copy hides the other party's version")
						}
					}
					return send()
				})
		})
		defer r.Close()
		r.resume()
		r.drain()
		if !looked {
			t.Errorf("there was no conflict: %q", r.b.Keys())
		}
	})
}
