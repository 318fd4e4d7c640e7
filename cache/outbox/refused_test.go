package outbox

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/outbox/parts"
	"github.com/s3share/s3share/s3backend"
)

// always fails each request of one kind.
func always(op string, kind s3backend.Kind) func(buckettest.S3) buckettest.S3 {
	return func(b buckettest.S3) buckettest.S3 {
		return buckettest.Answer(b, op, func() error { return kind })
	}
}

// TestRefusalForGoodBlocksAndEndsWaiting has S3 refuse each kind of request, in each way
// that only a person can change, or that comes back each time: the file is blocked with
// the reason, and nobody waits for it for ever.
func TestRefusalForGoodBlocksAndEndsWaiting(t *testing.T) {
	for _, kind := range []s3backend.Kind{
		s3backend.Denied, s3backend.NoBucket, s3backend.WrongOwner, s3backend.TooLarge,
		s3backend.Archived, s3backend.Refused, s3backend.Corrupted,
		s3backend.OtherPart, s3backend.NotExist,
	} {
		for _, c := range []struct {
			op   string
			size int
			edit bool
		}{
			{buckettest.Put, 100, false},
			{buckettest.Put, 100, true},
			{buckettest.CreateUpload, parts.Size + 1, false},
			{buckettest.UploadPart, parts.Size + 1, false},
			{buckettest.Complete, parts.Size + 1, false},
			{buckettest.Complete, parts.Size + 1, true},
		} {
			if kind == s3backend.Denied && c.edit {
				continue // may be for want of get: see the cache
			}
			t.Run(fmt.Sprintf("%v/%s/edit %v", kind, c.op, c.edit), func(t *testing.T) {
				bubble(t, Config{}, always(c.op, kind), func(r *rig) {
					var it *Item
					if c.edit {
						r.b.Store("Delivery/a", []byte("before"), nil)
						it = r.edit("Delivery/a")
						if err := it.Truncate(0); err != nil {
							r.Fatal(err)
						}
					} else {
						it = r.create("Delivery/a", nil)
					}
					_, _ = it.WriteAt(random(1, c.size), 0) // it may be refused at once
					r.done(it)
					r.wantBlocked()
					r.hold(it)
					it.Drop()
					it.Close()
					ctx, cancel := context.WithTimeout(r.Context(), time.Hour)
					defer cancel()
					if err := r.Drain(ctx); err != nil {
						r.Errorf("Drain, once it is dropped: %v", err)
					}
				})
			})
		}
	}
}

// wantBlocked fails unless whoever waits is told within an hour that the one file is
// blocked, and why.
func (r *rig) wantBlocked() {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), time.Hour)
	defer cancel()
	err := r.Drain(ctx)
	var left *LeftError
	if !errors.As(err, &left) || len(left.Left) != 1 {
		r.Fatalf("Drain: %v, want one file that is left; owed %+v", err, r.Status())
	}
	if st := left.Left[0]; st.State != Blocked && st.State != Interrupted || st.Reason == "" {
		r.Errorf("the file is %q, because %q", st.State, st.Reason)
	}
}

// TestRefusedRemovalEnds has S3 refuse a removal for good: it is given up, and the file
// is shown again.
func TestRefusedRemovalEnds(t *testing.T) {
	for _, kind := range []s3backend.Kind{s3backend.Refused, s3backend.Denied, s3backend.Archived} {
		for _, op := range []string{buckettest.DeleteAll, buckettest.Delete} {
			bubble(t, Config{}, always(op, kind), func(r *rig) {
				obj := r.b.Store("Delivery/a", []byte("a"), nil)
				if op == buckettest.Delete {
					r.removals.addVersion(obj)
				} else {
					r.Remove(obj)
				}
				r.drain()
				synctest.Wait()
				if err := r.removed["Delivery/a"]; !errors.Is(err, kind) {
					t.Errorf("%s refused with %v: told %v", op, kind, err)
				}
				r.wantKeys("Delivery/a")
				r.wantNothing()
			})
		}
	}
}

// TestRefusedMoveEnds has S3 refuse a copy for good: the file keeps its name, at once
// and where the next process finds the rename half done.
func TestRefusedMoveEnds(t *testing.T) {
	for _, kind := range []s3backend.Kind{s3backend.Refused, s3backend.Denied, s3backend.Archived} {
		bubble(t, Config{}, always(buckettest.Copy, kind), func(r *rig) {
			obj := r.b.Store("Delivery/a", []byte("a"), nil)
			_, err := r.Move(r.Context(), []Move{{From: obj, To: "Delivery/b"}}, nil)
			if !errors.Is(err, kind) {
				t.Errorf("Move = %v, want %v", err, kind)
			}
			r.drain()
			r.wantKeys("Delivery/a")
			r.wantNothing()
		})
	}
}
