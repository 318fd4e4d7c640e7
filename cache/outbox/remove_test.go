package outbox

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/s3backend"
)

func TestRemovalsGoTogether(t *testing.T) {
	bubble(t, Config{}, nil, func(r *rig) {
		const n = maxBatchKeys + 200
		for i := range n {
			r.Remove(r.b.Store(fmt.Sprintf("Delivery/%d", i), nil, nil))
		}
		r.drain()
		r.wantKeys()
		if got := r.b.Count(""); got > maxBatches || len(r.removed) != n {
			r.Errorf("%d removals took %d requests, and %d were told", n, got, len(r.removed))
		}
		r.wantNothing()
	})
}

func TestCancelRemove(t *testing.T) {
	bubble(t, Config{}, nil, func(r *rig) {
		a, b := r.b.Store("Delivery/a", nil, nil), r.b.Store("Delivery/b", nil, nil)
		r.Remove(a)
		r.Remove(b)
		if !r.CancelRemove("Delivery/a") {
			r.Error("CancelRemove before it was sent = false")
		}
		r.drain()
		r.wantKeys("Delivery/a")
		if r.CancelRemove("Delivery/b") {
			r.Error("CancelRemove after it was sent = true")
		}
		r.wantNothing()
	})
}

// TestRemoveThenCreate creates a file whose name is being removed at S3.
func TestRemoveThenCreate(t *testing.T) {
	var held *buckettest.Holder
	fault := func(b buckettest.S3) (s3 buckettest.S3) {
		s3, held = buckettest.Hold(b, buckettest.DeleteAll)
		return s3
	}
	bubble(t, Config{}, fault, func(r *rig) {
		r.Remove(r.b.Store("Delivery/a", []byte("before"), nil))
		<-held.Entered
		r.done(r.create("Delivery/a", []byte("new")))
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := r.b.Count(buckettest.Put); n != 0 {
			r.Error("the new file was sent before the old one was removed")
		}
		held.Release()
		r.drain()
		r.wantHolds("Delivery/a", []byte("new"))
		r.wantKeys("Delivery/a")
		if len(r.conflicted) > 0 {
			r.Errorf("conflicts %q", r.conflicted)
		}
		r.wantNothing()
	})
}

func TestRemovalIsRefused(t *testing.T) {
	bubble(t, Config{}, buckettest.DenyDelete, func(r *rig) {
		r.Remove(r.b.Store("Delivery/a", nil, nil))
		r.drain()
		r.wantKeys("Delivery/a")
		if err := r.removed["Delivery/a"]; !errors.Is(err, s3backend.Denied) {
			r.Errorf("Removed was told %v, want Denied", err)
		}
		r.wantNothing()
	})
}

func TestRemovalIsTriedAgain(t *testing.T) {
	fault := func(b buckettest.S3) buckettest.S3 {
		return buckettest.Busy(b, buckettest.DeleteAll, 3)
	}
	bubble(t, Config{}, fault, func(r *rig) {
		r.Remove(r.b.Store("Delivery/a", nil, nil))
		r.drain()
		r.wantKeys()
		r.wantNothing()
	})
}

// TestRemovalOfAReplacedVersion removes a version of which S3 holds a newer one by
// then: that one stays, and nobody is told that the key is gone.
func TestRemovalOfAReplacedVersion(t *testing.T) {
	bubble(t, Config{}, nil, func(r *rig) {
		old := r.b.Store("Delivery/a", []byte("old"), nil)
		r.b.Store("Delivery/a", []byte("newer"), nil)
		r.removals.addVersion(old)
		r.drain()
		r.wantHolds("Delivery/a", []byte("newer"))
		if err, told := r.removed["Delivery/a"]; !told || !errors.Is(err, s3backend.Stale) {
			r.Errorf("Removed was told %v, %v, want Stale", err, told)
		}
		r.wantNothing()
	})
}

// TestRemovalsAreRecovered ends the process before its removals are sent.
func TestRemovalsAreRecovered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, dir := buckettest.New(), t.TempDir()
		r := newRig(t, b, dir, Config{}, nil)
		r.recover()
		r.Remove(b.Store("Delivery/a", []byte("a"), nil))
		r.Remove(b.Store("Delivery/b", []byte("b"), nil))
		r.Remove(b.Store("Delivery/c", []byte("c"), nil))
		b.Store("Delivery/folder/", nil, nil)
		r.Remove(s3backend.Object{Key: "Delivery/folder/"})
		if !r.CancelRemove("Delivery/c") {
			r.Fatal("CancelRemove = false")
		}
		r.Close() // at once: none was sent
		b.Store("Delivery/b", []byte("theirs, since"), nil)

		r = newRig(t, b, dir, Config{}, nil)
		defer r.Close()
		r.recover()
		if n := r.RemovingBelow("Delivery/"); n != 3 {
			r.Errorf("recovered %d removals, want 3", n)
		}
		r.Resume()
		r.drain()
		r.wantKeys("Delivery/b", "Delivery/c")
		r.wantHolds("Delivery/b", []byte("theirs, since"))
		r.wantNothing()
	})
}

// TestATreeIsRemovedInFewRequests removes files as fast as a program does that
// unlinks them one by one, and one alone, which waits no longer for that.
func TestATreeIsRemovedInFewRequests(t *testing.T) {
	bubble(t, Config{}, nil, func(r *rig) {
		const n = 5000
		for i := range n {
			r.Remove(r.b.Store(fmt.Sprintf("Delivery/%d", i), nil, nil))
			time.Sleep(200 * time.Microsecond)
		}
		r.drain()
		r.wantKeys()
		if got := r.b.Count(buckettest.DeleteAll); got > 10 {
			r.Errorf("%d removals took %d requests, want 10 at most", n, got)
		}
		r.Remove(r.b.Store("Delivery/alone", nil, nil))
		pass(defaultSettle)
		r.wantKeys()
		r.wantNothing()
	})
}

// TestRemovedAndMadeAnew: a file that is removed, and made anew before it would have
// settled, is replaced by one request. S3 holds the old version until then, so that
// nothing is lost if the new one never comes.
func TestRemovedAndMadeAnew(t *testing.T) {
	for _, c := range []struct {
		after   time.Duration
		deletes int
	}{{0, 0}, {defaultSettle / 2, 0}, {defaultSettle - time.Millisecond, 0},
		{defaultSettle + time.Millisecond, 1}} {
		t.Run(c.after.String(), func(t *testing.T) {
			bubble(t, Config{}, nil, func(r *rig) {
				old := r.b.Store("Delivery/f", []byte("old"), nil)
				r.Remove(old)
				pass(c.after)
				it := r.create("Delivery/f", []byte("new"))
				pass(time.Minute)
				if _, there := r.b.Data("Delivery/f"); there != (c.deletes == 0) {
					r.Errorf("while the new one is written, the old one is at S3: %t", there)
				}
				r.done(it)
				r.drain()
				r.wantHolds("Delivery/f", []byte("new"))
				if n := r.b.Count(buckettest.DeleteAll); n != c.deletes {
					r.Errorf("%d requests to remove it, want %d", n, c.deletes)
				}
				r.wantNothing()
			})
		})
	}
}

// TestMovedOriginalsAreRemovedAtOnce: whoever renames a file waits for nothing.
func TestMovedOriginalsAreRemovedAtOnce(t *testing.T) {
	bubble(t, Config{}, nil, func(r *rig) {
		if _, err := r.Move(r.Context(), r.moves(5), nil); err != nil {
			r.Fatal(err)
		}
		synctest.Wait() // no time passes
		r.wantMoved(5)
		r.wantNothing()
	})
}
