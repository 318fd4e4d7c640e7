package outbox

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/outbox/multipart"
	"github.com/s3share/s3share/cache/outbox/parts"
	"github.com/s3share/s3share/s3backend"
)

// latePart is a bucket where an earlier request for a part, that was cut off, comes
// through right before the first completion.
type latePart struct {
	buckettest.S3
	once sync.Once
}

func (b *latePart) Complete(ctx context.Context, up s3backend.Upload, parts []s3backend.Part,
	size int64, cond s3backend.Condition) (obj s3backend.Object, err error) {
	b.once.Do(func() { _, err = b.UploadPart(ctx, up, 1, strings.NewReader("late"), 4) })
	if err != nil {
		return obj, err
	}
	return b.S3.Complete(ctx, up, parts, size, cond)
}

// TestPartThatCameLate: S3 holds another part than was sent last, and all go up again.
func TestPartThatCameLate(t *testing.T) {
	late := func(b buckettest.S3) buckettest.S3 { return &latePart{S3: b} }
	bubble(t, Config{}, late, func(r *rig) {
		data := bytes.Repeat([]byte("p"), parts.Size+1)
		r.done(r.create("Delivery/a", data))
		r.drain()
		r.wantHolds("Delivery/a", data)
		r.wantNothing()
	})
}

// TestEndedWhileAPartIsOnItsWay: S3 would keep a part that it takes after the upload was
// ended, so that waits for a moment.
func TestEndedWhileAPartIsOnItsWay(t *testing.T) {
	hanging := func(b buckettest.S3) buckettest.S3 {
		return buckettest.Wrap(b, func(ctx context.Context, op, _ string, send func() error) error {
			if op == buckettest.UploadPart {
				<-ctx.Done()
				return ctx.Err()
			}
			return send()
		})
	}
	for _, cut := range []bool{false, true} {
		fault := hanging
		if !cut {
			fault = nil
		}
		bubble(t, Config{}, fault, func(r *rig) {
			it := r.create("Delivery/a", bytes.Repeat([]byte("p"), 2*parts.Size+1))
			synctest.Wait()
			it.Unname()
			time.Sleep(multipart.AbortAfter / 2)
			if got, want := r.b.Count(buckettest.Abort), map[bool]int{false: 1,
				true: 0}[cut]; got != want {
				r.Errorf("cut off: %v: ended %d times at once, want %d", cut, got, want)
			}
			time.Sleep(multipart.AbortAfter)
			it.Drop()
			it.Release()
			if got := r.b.Count(buckettest.Abort); got != 1 {
				r.Errorf("cut off: %v: ended %d times, want once", cut, got)
			}
		})
	}
}
