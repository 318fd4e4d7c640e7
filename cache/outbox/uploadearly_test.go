package outbox

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/outbox/parts"
)

// TestPartsGoUpWhileAFileSettles: when the settle time is over, nothing but the
// completion is left to do.
func TestPartsGoUpWhileAFileSettles(t *testing.T) {
	bubble(t, Config{}, nil, func(r *rig) {
		data := random(1, 2*parts.Size+100)
		r.done(r.create("Delivery/new", data))
		synctest.Wait() // no time passes
		r.wantKeys()
		wantCounts(r, map[string]int{buckettest.CreateUpload: 1, buckettest.UploadPart: 3,
			buckettest.Complete: 0})
		r.drain()
		r.wantHolds("Delivery/new", data)
		wantCounts(r, map[string]int{buckettest.CreateUpload: 1, buckettest.UploadPart: 3,
			buckettest.Complete: 1})
		r.wantNothing()
	})
}

func TestAnEditGoesUpWhileItSettles(t *testing.T) {
	bubble(t, Config{}, nil, func(r *rig) {
		data := random(1, 4*parts.Size)
		r.b.Store("Delivery/f", data, nil)
		it := r.edit("Delivery/f")
		r.write(it, []byte("changed"), parts.Size)
		copy(data[parts.Size:], "changed")
		r.done(it)
		synctest.Wait()
		before := map[string]int{buckettest.CreateUpload: 1, buckettest.UploadPart: 1,
			buckettest.CopyPart: 2, buckettest.Complete: 0}
		wantCounts(r, before)
		r.drain()
		r.wantHolds("Delivery/f", data)
		before[buckettest.Complete] = 1
		wantCounts(r, before)
		r.wantNothing()
	})
}

// TestWritingGoesOnAfterAPreupload closes a file and goes on with it before it has
// settled: parts go up while it is written, as they did before, and none twice but
// the last.
func TestWritingGoesOnAfterAPreupload(t *testing.T) {
	bubble(t, Config{}, nil, func(r *rig) {
		data := random(1, 5*parts.Size)
		it := r.create("Delivery/f", data[:2*parts.Size+100])
		r.done(it)
		synctest.Wait()
		r.hold(it)
		r.write(it, data[2*parts.Size+100:], 2*parts.Size+100)
		synctest.Wait()
		wantCounts(r, map[string]int{buckettest.CreateUpload: 1, buckettest.UploadPart: 3 + 3,
			buckettest.Complete: 0})
		r.done(it)
		r.drain()
		r.wantHolds("Delivery/f", data)
		wantCounts(r, map[string]int{buckettest.CreateUpload: 1, buckettest.UploadPart: 3 + 3,
			buckettest.Complete: 1})
		r.wantNothing()
	})
}

// TestPreuploadEndsWhenAFileIsOpenedAgain removes a file whose parts are on their way, and one
// whose parts S3 does not answer for.
func TestPreuploadEndsWhenAFileIsOpenedAgain(t *testing.T) {
	for _, hold := range []bool{false, true} {
		var held *buckettest.Holder
		fault := func(b buckettest.S3) (s3 buckettest.S3) {
			s3, held = buckettest.Hold(b, buckettest.UploadPart)
			return s3
		}
		bubble(t, Config{}, fault, func(r *rig) {
			if !hold {
				held.Release()
			}
			it := r.create("Delivery/f", random(1, parts.Size+1))
			r.done(it)
			synctest.Wait()
			r.hold(it)
			it.Drop()
			it.Close()
			if hold {
				held.Release()
			}
			r.drain()
			r.wantKeys()
			r.wantNothing()
		})
	}
}

// TestSettledWhileItsPartsGoUp settles before the parts are there.
func TestSettledWhileItsPartsGoUp(t *testing.T) {
	var held *buckettest.Holder
	fault := func(b buckettest.S3) (s3 buckettest.S3) {
		s3, held = buckettest.Hold(b, buckettest.UploadPart)
		return s3
	}
	bubble(t, Config{}, fault, func(r *rig) {
		data := random(1, parts.Size+1)
		r.done(r.create("Delivery/f", data))
		pass(10 * defaultSettle)
		held.Release()
		r.drain()
		r.wantHolds("Delivery/f", data)
		wantCounts(r, map[string]int{buckettest.UploadPart: 2, buckettest.Complete: 1})
		r.wantNothing()
	})
}

// TestSmallFilesPassLargeOnes: a file of one request is delivered while as many
// large ones as there are workers wait for S3.
func TestSmallFilesPassLargeOnes(t *testing.T) {
	var held *buckettest.Holder
	fault := func(b buckettest.S3) (s3 buckettest.S3) {
		s3, held = buckettest.Hold(b, buckettest.UploadPart)
		return s3
	}
	bubble(t, Config{Workers: 2, Requests: 2}, fault, func(r *rig) {
		data := random(1, parts.Size+1)
		for _, key := range []string{"Delivery/a", "Delivery/b", "Delivery/c"} {
			r.done(r.create(key, data))
		}
		pass(10 * defaultSettle)
		r.done(r.create("Delivery/small", []byte("small")))
		pass(2 * defaultSettle)
		r.wantKeys("Delivery/small")
		held.Release()
		r.drain()
		r.wantKeys("Delivery/a", "Delivery/b", "Delivery/c", "Delivery/small")
		r.wantNothing()
	})
}

func wantCounts(r *rig, want map[string]int) {
	r.Helper()
	for op, n := range want {
		if got := r.b.Count(op); got != n {
			r.Errorf("%d of %s, want %d", got, op, n)
		}
	}
}

// pass lets d go by.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// TestPartSentOfARemovedFileBeginsNoUpload removes a file that is being written at the instant in
// which a part of it has arrived: nothing of it is left at S3, no upload either.
func TestPartSentOfARemovedFileBeginsNoUpload(t *testing.T) {
	var it *Item
	var created chan struct{}
	fault := func(b buckettest.S3) buckettest.S3 {
		created = make(chan struct{})
		return buckettest.Faults(b, buckettest.Rule{Op: buckettest.UploadPart, Times: 1,
			Do: func(_ context.Context, _, _ string, send func() error) error {
				<-created
				err := send()
				it.Drop()
				return err
			}})
	}
	bubble(t, Config{}, fault, func(r *rig) {
		it = r.create("Delivery/f", random(1, 2*parts.Size+1))
		close(created)
		synctest.Wait()
		it.Close()
		r.drain()
		r.wantKeys()
		wantCounts(r, map[string]int{buckettest.CreateUpload: 1})
		r.wantNothing()
	})
}
