package outbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/outbox/parts"
	"github.com/s3share/s3share/s3backend"
)

// isChange reports whether a request changes what S3 holds.
func isChange(op string) bool {
	switch op {
	case buckettest.List, buckettest.Head, buckettest.Get:
		return false
	}
	return true
}

// gateway counts the requests that begin, and those that were cut off.
type gateway struct{ begun, cut atomic.Int64 }

func (g *gateway) around(b buckettest.S3) buckettest.S3 {
	return buckettest.Wrap(b, func(ctx context.Context, op, key string, send func() error) error {
		if isChange(op) {
			g.begun.Add(1)
		}
		if op == buckettest.CreateUpload {
			// others wait for it with a mutex, which keeps the bubble's time from passing
			return send()
		}
		err := buckettest.DelayBy(10*time.Second)(ctx, op, key, send)
		if ctx.Err() != nil {
			g.cut.Add(1)
		}
		return err
	})
}

// TestSuspendedBeginsNoChange suspends an outbox at any moment of what waits in it. What is in
// flight ends, and nothing else begins before deliveries go on. Then all is delivered, and no part
// is sent twice.
func TestSuspendedBeginsNoChange(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 15))
			var g gateway
			bubble(t, Config{}, g.around, func(r *rig) {
				why := &SuspendedError{Since: time.Now()}
				before := rnd.IntN(3) == 0
				if before {
					r.Suspend(why)
				}
				small, large := random(1, 100), random(2, 2*parts.Size+7)
				removed := r.b.Store("Delivery/removed", []byte("old"), nil)
				r.done(r.create("Delivery/small", small))
				r.done(r.create("Delivery/large", large))
				open := r.create("Delivery/open", large)
				folder, err := r.CreateFolder("Delivery/folder/")
				if err != nil {
					r.Fatal(err)
				}
				folder.Release()
				r.Remove(removed)
				if !before {
					time.Sleep(time.Duration(rnd.Int64N(int64(30 * time.Second))))
					r.Suspend(why)
				}
				synctest.Wait()
				begun := g.begun.Load()
				time.Sleep(time.Hour)
				r.done(open)
				r.done(r.create("Delivery/later", small))
				r.Remove(r.b.Store("Delivery/removed later", []byte("old"), nil))
				time.Sleep(time.Hour)
				synctest.Wait()
				if n := g.begun.Load() - begun; n > 0 {
					r.Errorf("%d requests began while deliveries were suspended", n)
				}
				at := time.Now()
				var left *LeftError
				if err := r.Drain(r.Context()); !errors.As(err, &left) || time.Since(at) > 0 {
					r.Errorf("Drain = %v after %v, want at once what is left", err, time.Since(at))
				}
				for _, st := range r.Status() {
					if st.State != Paused && st.State != Removing || !st.Paused ||
						!errors.Is(st.Err, ErrSuspended) {
						r.Errorf("%+v, want it paused, and why", st)
					}
				}
				r.Suspend(nil)
				r.drain()
				r.wantKeys("Delivery/folder/", "Delivery/large", "Delivery/later",
					"Delivery/open", "Delivery/small")
				for key, data := range map[string][]byte{"large": large, "open": large,
					"small": small, "later": small} {
					r.wantHolds("Delivery/"+key, data)
				}
				if sent := r.b.Count(buckettest.UploadPart); sent != 6 || g.cut.Load() > 0 {
					r.Errorf("%d parts were sent, and %d requests cut off; want 6, each once", sent,
						g.cut.Load())
				}
				r.wantNothing()
			})
		})
	}
}

// TestSuspendedAbortsWhatWasGivenUp removes a file, parts of which are at S3, while deliveries are
// suspended. Its upload is aborted at once: no later process knows of it, and parts cost money
// until a lifecycle rule ends them. Nothing else is sent.
func TestSuspendedAbortsWhatWasGivenUp(t *testing.T) {
	bubble(t, Config{}, nil, func(r *rig) {
		it := r.create("Delivery/large", random(1, 2*parts.Size+7))
		time.Sleep(time.Second)
		synctest.Wait()
		r.Suspend(&SuspendedError{Since: time.Now()})
		synctest.Wait()
		if n := r.b.Uploads(); n != 1 {
			t.Fatalf("S3 has %d uploads, want that of the file", n)
		}
		before := len(r.b.Log())
		it.Drop()
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := r.b.Uploads(); n != 0 {
			t.Errorf("S3 has %d uploads of what was removed", n)
		}
		for _, req := range r.b.Log()[before:] {
			if req.Op != buckettest.Abort {
				t.Errorf("%s %s was sent", req.Op, req.Key)
			}
		}
		r.wantNothing()
	})
}

// TestSuspendedRemovalSparesANewVersion has the other party replace what was removed here while
// deliveries are suspended.
func TestSuspendedRemovalSparesANewVersion(t *testing.T) {
	bubble(t, Config{}, nil, func(r *rig) {
		r.Suspend(&SuspendedError{Since: time.Now()})
		r.Remove(r.b.Store("Delivery/a", []byte("old"), nil))
		time.Sleep(time.Hour)
		r.b.Store("Delivery/a", []byte("theirs"), nil)
		r.Suspend(nil)
		r.drain()
		r.wantHolds("Delivery/a", []byte("theirs"))
	})
}

// TestSuspendedOutlivesTheProcess recovers what waits, with a rename that had begun, by a process
// that begins suspended.
func TestSuspendedOutlivesTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		why := &SuspendedError{Since: time.Now()}
		fault := func(b buckettest.S3) buckettest.S3 {
			return buckettest.Answer(b, buckettest.Copy, func() error { return context.Canceled })
		}
		r := newRig(t, buckettest.New(), t.TempDir(), Config{}, fault)
		r.recover()
		m, err := r.beginMove(t.Context(), r.moves(3), nil)
		if err != nil {
			t.Fatal(err)
		}
		m.names.release()
		r.Suspend(why)
		r.done(r.create("Delivery/a", []byte("data")))
		r.Remove(r.b.Store("Delivery/removed", nil, nil))
		synctest.Wait()
		dir := t.TempDir()
		copyDir(t, r.dir, dir)
		r.Close()

		var g gateway
		r = newRig(t, r.b, dir, Config{Suspended: why}, g.around)
		defer r.Close()
		r.resume()
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := g.begun.Load(); n > 0 {
			t.Errorf("%d requests began while deliveries were suspended", n)
		}
		var left *LeftError
		if err := r.Drain(t.Context()); !errors.As(err, &left) || len(left.Left) != 5 {
			t.Errorf("Drain = %v, want a file, a removal and three renames left", err)
		}
		r.Suspend(nil)
		r.drain()
		r.wantKeys("Delivery/a", "Delivery/new/0", "Delivery/new/1", "Delivery/new/2")
		r.wantNothing()
	})
}

// TestSuspendedRefusesWhatAProgramWaitsFor: a program that needs S3's confirmation gets an error
// at once, and nothing has changed. What is only renamed here is.
func TestSuspendedRefusesWhatAProgramWaitsFor(t *testing.T) {
	bubble(t, Config{}, nil, func(r *rig) {
		moves := r.moves(2)
		r.Suspend(&SuspendedError{Since: time.Now()})
		at := time.Now()
		if _, err := r.Move(r.Context(), moves, nil); !errors.Is(err, ErrSuspended) {
			r.Errorf("Move = %v, want that deliveries are suspended", err)
		}
		it := r.create("Delivery/a", []byte("data"))
		if err := it.Commit(r.Context()); !errors.Is(err, ErrSuspended) {
			r.Errorf("Commit = %v, want that deliveries are suspended", err)
		}
		if err := it.Rename("Delivery/b", s3backend.Object{}, nil); err != nil {
			r.Error(err)
		}
		r.done(it)
		if took := time.Since(at); took > 0 {
			r.Errorf("a program had to wait for %v", took)
		}
		r.wantUnmoved(2)
		r.Suspend(nil)
		r.drain()
		r.wantHolds("Delivery/b", []byte("data"))
	})
}

// TestFailedFilesGoOnAfterASuspension: neither what S3 has refused nor what it has failed is
// forgotten.
func TestFailedFilesGoOnAfterASuspension(t *testing.T) {
	for _, failure := range []error{s3backend.Denied, s3backend.Busy,
		s3backend.BadLogin, io.ErrUnexpectedEOF} {
		t.Run(failure.Error(), func(t *testing.T) {
			var mended atomic.Bool
			bubble(t, Config{}, failPutsUntil(&mended, failure), func(r *rig) {
				r.done(r.create("Delivery/a", []byte("data")))
				time.Sleep(time.Minute)
				r.Suspend(&SuspendedError{Since: time.Now()})
				mended.Store(true)
				time.Sleep(time.Hour)
				r.Suspend(nil)
				time.Sleep(2 * suspendPoll)
				synctest.Wait()
				r.wantHolds("Delivery/a", []byte("data"))
				r.wantNothing()
			})
		})
	}
}
