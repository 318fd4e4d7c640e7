package outbox

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/outbox/parts"
)

// TestEditThatS3HasIsNotSentAgain ends the process when S3 has committed an edit and the answer
// is not here yet. The next one has neither the base nor the bytes that were taken
// from it, and needs neither.
func TestEditThatS3HasIsNotSentAgain(t *testing.T) {
	ended := func(b buckettest.S3) buckettest.S3 {
		return buckettest.Wrap(b, func(ctx context.Context, op, _ string, send func() error) error {
			err := send()
			if op == buckettest.Complete {
				<-ctx.Done()
				return ctx.Err()
			}
			return err
		})
	}
	recoverable(t, ended, func(r *rig) {
		data := random(1, 2*parts.Size)
		r.b.Store("Delivery/big", data, nil)
		it := r.edit("Delivery/big")
		if err := it.Truncate(parts.Size + 1000); err != nil {
			t.Fatal(err)
		}
		r.done(it)
		_ = sleep(r.Context(), defaultSettle)
		synctest.Wait()
		r.wantHolds("Delivery/big", data[:parts.Size+1000])
		r = r.again()
		defer r.Close()
		r.resume()
		r.drain()
		r.wantKeys("Delivery/big")
		r.wantHolds("Delivery/big", data[:parts.Size+1000])
		r.wantNothing()
	})
}
