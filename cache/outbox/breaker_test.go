package outbox

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/outbox/parts"
	"github.com/s3share/s3share/s3backend"
)

// failPutsUntil has each PutObject fail with err until mended is set.
func failPutsUntil(mended *atomic.Bool, err error) func(buckettest.S3) buckettest.S3 {
	return func(b buckettest.S3) buckettest.S3 {
		return buckettest.Answer(b, buckettest.Put, func() error {
			if mended.Load() {
				return nil
			}
			return err
		})
	}
}

// TestDeniedFileIsBlocked is a policy that refuses a file until its owner mends it.
func TestDeniedFileIsBlocked(t *testing.T) {
	for _, kind := range []s3backend.Kind{s3backend.Denied,
		s3backend.NoBucket, s3backend.TooLarge} {
		t.Run(kind.Error(), func(t *testing.T) {
			var mended atomic.Bool
			bubble(t, Config{}, failPutsUntil(&mended, kind), func(r *rig) {
				it := r.create("Delivery/a", []byte("data"))
				r.done(it)
				var left *LeftError
				if err := r.Drain(r.Context()); !errors.As(err, &left) {
					r.Fatalf("Drain = %v, want the file left", err)
				}
				if st := it.Status(); st.State != Blocked || st.Reason == "" {
					r.Errorf("status %+v, want it blocked and why", st)
				}
				mended.Store(true)
				if !it.Retry() {
					r.Error("Retry = false")
				}
				r.drain()
				r.wantHolds("Delivery/a", []byte("data"))
				r.wantNothing()
			})
		})
	}
}

// TestRefusalOfAnOpenFileFailsItsNextWrite has S3 refuse a file while it is written,
// its upload or its parts from the nth on.
func TestRefusalOfAnOpenFileFailsItsNextWrite(t *testing.T) {
	for _, op := range []string{buckettest.CreateUpload, buckettest.UploadPart} {
		for _, kind := range []s3backend.Kind{s3backend.Denied, s3backend.NoBucket} {
			for _, from := range []int64{1, 2} {
				if op == buckettest.CreateUpload && from > 1 {
					continue
				}
				t.Run(fmt.Sprintf("%s %v from %d", op, kind, from), func(t *testing.T) {
					var n atomic.Int64
					fault := func(b buckettest.S3) buckettest.S3 {
						return buckettest.Answer(b, op, func() error {
							if n.Add(1) >= from {
								return kind
							}
							return nil
						})
					}
					bubble(t, Config{}, fault, func(r *rig) {
						it := r.create("Delivery/a", random(1, 2*parts.Size))
						synctest.Wait()
						if _, err := it.WriteAt([]byte("x"), 0); !errors.Is(err, kind) {
							r.Errorf("WriteAt = %v, want %v", err, kind)
						}
						sent := n.Load()
						synctest.Wait()
						if more := n.Load() - sent; more > 0 {
							r.Errorf("%d requests more after the refusal was told", more)
						}
						it.Drop()
						it.Close()
						r.drain()
						r.wantNothing()
					})
				})
			}
		}
	}
}

// TestRefusalEndsWithTheName renames a file that S3 has refused to where it may be put, while it is
// still written.
func TestRefusalEndsWithTheName(t *testing.T) {
	fault := func(b buckettest.S3) buckettest.S3 {
		return buckettest.Deny(b, buckettest.CreateUpload, "Delivery/no/")
	}
	bubble(t, Config{}, fault, func(r *rig) {
		data := random(1, 2*parts.Size)
		it := r.create("Delivery/no/a", data)
		synctest.Wait()
		if err := it.Rename("Delivery/a", s3backend.Object{}, nil); err != nil {
			r.Fatal(err)
		}
		r.write(it, []byte("x"), 0)
		r.done(it)
		r.drain()
		data[0] = 'x'
		r.wantHolds("Delivery/a", data)
	})
}

// TestOneRefusedPartFailsNoWrite: S3's servers do not all know of a new policy at once.
func TestOneRefusedPartFailsNoWrite(t *testing.T) {
	for nth := range int64(2) {
		fault := func(b buckettest.S3) buckettest.S3 {
			return buckettest.Fail(b, buckettest.UploadPart,
				nth+1, &s3backend.Error{Op: buckettest.UploadPart, Kind: s3backend.Denied})
		}
		bubble(t, Config{}, fault, func(r *rig) {
			data := random(1, 2*parts.Size)
			it := r.create("Delivery/a", data)
			synctest.Wait()
			r.write(it, data[:100], 0)
			r.done(it)
			r.drain()
			r.wantHolds("Delivery/a", data)
			r.wantNothing()
		})
	}
}

// TestThrottlingSlowsAll lets no file go its way while S3 throttles.
func TestThrottlingSlowsAll(t *testing.T) {
	fault := func(b buckettest.S3) buckettest.S3 { return buckettest.Busy(b, buckettest.Put, 4) }
	bubble(t, Config{Workers: 1}, fault, func(r *rig) {
		begun := time.Now()
		for i := range 8 {
			r.done(r.create(fmt.Sprintf("Delivery/%d", i), []byte("data")))
		}
		r.drain()
		// Four waits, each of half its backoff at least: 1, 2, 4 and 8 s.
		if took := time.Since(begun); took < (1+2+4+8)*firstBackoff/2 {
			r.Errorf("delivered after %v, though S3 throttled four times in a row", took)
		}
		if n := len(r.delivered); n != 8 {
			r.Errorf("%d files delivered, want 8", n)
		}
		if n := r.log.count("deliveries wait"); n != 1 {
			r.Errorf("that deliveries wait was told %d times, want once", n)
		}
		r.wantNothing()
	})
}

// TestThrottledWhileRefused: that S3 throttles between two refusals of the credentials,
// or does not say what it refuses, is no end of the first.
func TestThrottledWhileRefused(t *testing.T) {
	var g breaker
	for i, c := range []struct {
		err          error
		opened, shut bool
		why          error
	}{
		{s3backend.BadLogin, false, true, s3backend.BadLogin},
		{s3backend.Busy, false, false, s3backend.BadLogin},
		{s3backend.Denied, false, false, s3backend.BadLogin}, // for whatever reason
		{s3backend.BadLogin, false, false, s3backend.BadLogin},
		{nil, true, false, nil},
		{s3backend.Busy, false, true, s3backend.Busy},
		{s3backend.BadLogin, false, true, s3backend.BadLogin},
	} {
		if opened, shut := g.record(c.err); opened != c.opened ||
			shut != c.shut || g.reason() != c.why {
			t.Errorf("%d: %v opens: %v, shuts: %v, for %v; want %v, %v, %v", i, c.err, opened, shut,
				g.reason(), c.opened, c.shut, c.why)
		}
	}
}

// TestExpiredCredentials pause all deliveries until they are renewed.
func TestExpiredCredentials(t *testing.T) {
	var renewed atomic.Bool
	var asked atomic.Int64
	fault := func(b buckettest.S3) buckettest.S3 {
		return buckettest.Answer(b, buckettest.Put, func() error {
			if renewed.Load() {
				return nil
			}
			asked.Add(1)
			return s3backend.BadLogin
		})
	}
	bubble(t, Config{Workers: 2}, fault, func(r *rig) {
		for i := range 20 {
			r.done(r.create(fmt.Sprintf("Delivery/%d", i), []byte("data")))
		}
		time.Sleep(10 * loginBackoff)
		synctest.Wait()
		if n := asked.Load(); n > 10*4 {
			r.Errorf("S3 was asked %d times in %v while it refused the credentials",
				n, 10*loginBackoff)
		}
		for _, st := range r.Status() {
			if st.Reason == "" {
				r.Errorf("status %+v does not say what it waits for", st)
			}
		}
		r.done(r.create("Delivery/staged", []byte("data"))) // staging goes on
		renewed.Store(true)
		r.Admission.Reopen()
		begun := time.Now()
		r.drain()
		if took := time.Since(begun); took > 2*loginBackoff {
			r.Errorf("it took %v to go on", took)
		}
		if wait, on := r.log.count("deliveries wait"), r.log.count("deliveries go on"); wait != 1 ||
			on != 1 {
			r.Errorf("the pause was told %d times and its end %d times, want once each", wait, on)
		}
		r.wantNothing()
	})
}

// TestDeliveriesGoOnAfterAnOutage fails every request for a while.
func TestDeliveriesGoOnAfterAnOutage(t *testing.T) {
	var until time.Time
	fault := func(b buckettest.S3) buckettest.S3 {
		return buckettest.Answer(b, "", func() error {
			if time.Now().Before(until) {
				return errors.New("connection refused")
			}
			return nil
		})
	}
	bubble(t, Config{}, fault, func(r *rig) {
		until = time.Now().Add(2 * time.Hour)
		small, big := random(1, 100), random(2, 2*parts.Size)
		r.done(r.create("Delivery/small", small))
		r.done(r.create("Delivery/big", big))
		time.Sleep(3 * time.Hour)
		r.drain()
		r.wantHolds("Delivery/small", small)
		r.wantHolds("Delivery/big", big)
		r.wantNothing()
	})
}
