package outbox

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/outbox/parts"
)

// TestUploadThatS3HasEndedBeginsAnew has the bucket's lifecycle end an upload that is not complete:
// the file is uploaded again, with all its parts, and no failure is reported.
func TestUploadThatS3HasEndedBeginsAnew(t *testing.T) {
	for _, c := range []struct {
		name  string
		again bool          // another process goes on
		known time.Duration // when S3 said it would end it; 0: it said nothing
	}{
		{"while it is written", false, 0},
		{"between two processes", true, 0},
		{"at the time that S3 named", true, time.Hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			recoverable(t, nil, func(r *rig) {
				data := random(1, 3*parts.Size+5)
				it := r.create("Delivery/big", data[:2*parts.Size+1])
				synctest.Wait()
				up := it.uploading.upload()
				if up == nil || up.Remote().ID == "" {
					r.Fatal("no upload was begun")
				}
				if c.known > 0 {
					rec := up.Record()
					rec.Abort = time.Now().Add(c.known)
					if err := it.log.note(rec); err != nil {
						r.Fatal(err)
					}
				}
				if err := r.b.Abort(r.Context(), up.Remote()); err != nil {
					r.Fatal(err)
				}
				time.Sleep(2 * c.known)
				r.write(it, data[2*parts.Size+1:], 2*parts.Size+1)
				r = r.closed(it, c.again)
				defer r.Close()
				r.drain()
				r.wantHolds("Delivery/big", data)
				if n := r.b.Count(buckettest.CreateUpload); n != 2 {
					r.Errorf("%d uploads were begun, want the ended one and another", n)
				}
				if n := r.log.count("not delivered"); n != 0 {
					r.Errorf("it was told %d times that it is not delivered", n)
				}
				r.wantNothing()
			})
		})
	}
}
