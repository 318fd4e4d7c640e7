package outbox

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/outbox/parts"
	"github.com/s3share/s3share/s3backend"
)

// slowly is a bucket at the end of a wire.
type slowly struct {
	buckettest.S3
	*buckettest.Wire
}

func (s slowly) UploadPart(ctx context.Context, up s3backend.Upload, num int32, body io.ReadSeeker,
	size int64) (s3backend.Part, error) {
	if err := s.Send(ctx, body); err != nil {
		return s3backend.Part{}, err
	}
	_, _ = body.Seek(0, io.SeekStart)
	return s.S3.UploadPart(ctx, up, num, body, size)
}

func (s slowly) Put(ctx context.Context, key string, body io.ReadSeeker, size int64,
	h *s3backend.Header, cond s3backend.Condition) (s3backend.Object, error) {
	if err := s.Send(ctx, body); err != nil {
		return s3backend.Object{}, err
	}
	_, _ = body.Seek(0, io.SeekStart)
	return s.S3.Put(ctx, key, body, size, h, cond)
}

// TestASlowConnectionIsNotCrowded: parts that go up while a file is written, and those of
// files that were closed, and whole files share it.
func TestASlowConnectionIsNotCrowded(t *testing.T) {
	var w *buckettest.Wire
	fault := func(b buckettest.S3) buckettest.S3 {
		w = buckettest.NewWire(1<<20, 0, 1<<20)
		return slowly{b, w}
	}
	bubble(t, Config{}, fault, func(r *rig) {
		data := random(1, 5*parts.Size)
		open := r.create("Delivery/open", data)
		for _, key := range []string{"Delivery/a", "Delivery/b"} {
			r.done(r.create(key, data[:2*parts.Size]))
		}
		for _, key := range []string{"Delivery/1", "Delivery/2", "Delivery/3", "Delivery/4",
			"Delivery/5", "Delivery/6"} {
			r.done(r.create(key, data[:parts.Size/2]))
		}
		pass(time.Minute)
		r.done(r.create("Delivery/small", []byte("small")))
		pass(10 * time.Second)
		if r.b.Object("Delivery/small").ETag == "" {
			t.Error("a small file waits for the uplink")
		}
		pass(time.Minute)
		r.done(open)
		r.drain()
		r.wantHolds("Delivery/open", data)
		r.wantHolds("Delivery/6", data[:parts.Size/2])
		if most := w.Peak.Load(); most > 8 {
			t.Errorf("%d requests at once", most)
		}
		r.wantNothing()
	})
}
