package outbox

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/outbox/parts"
	"github.com/s3share/s3share/s3backend"
)

// TestClosedFileIsDeliveredAfterTheSettleTime does what programs do shortly after a close.
func TestClosedFileIsDeliveredAfterTheSettleTime(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(*rig, *Item)
		want map[string]string // what the bucket holds then
		puts int
	}{
		{"nothing", func(*rig, *Item) {}, map[string]string{"Delivery/a": "one"}, 1},
		{"opened and closed", func(r *rig, it *Item) {
			r.hold(it)
			r.write(it, []byte("two"), 3)
			r.done(it)
		}, map[string]string{"Delivery/a": "onetwo"}, 1},
		{"removed", func(r *rig, it *Item) {
			r.hold(it)
			it.Drop()
			it.Close()
		}, nil, 0},
		{"renamed twice", func(r *rig, it *Item) {
			for _, key := range []string{"Delivery/b", "Delivery/c"} {
				r.hold(it)
				if err := it.Rename(key, s3backend.Object{}, nil); err != nil {
					r.Fatal(err)
				}
				r.done(it)
			}
		}, map[string]string{"Delivery/c": "one"}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, Config{}, nil, func(r *rig) {
				it := r.create("Delivery/a", []byte("one"))
				r.done(it)
				time.Sleep(defaultSettle - 1)
				synctest.Wait()
				if n := r.b.Count(""); n != 0 {
					r.Fatalf("%d requests before the file had settled", n)
				}
				c.do(r, it)
				r.drain()
				if n := r.b.Count(buckettest.Put); n != c.puts || r.b.Count("") != c.puts {
					r.Errorf("requests %v, want %d puts", r.b.Log(), c.puts)
				}
				for key, data := range c.want {
					r.wantHolds(key, []byte(data))
				}
				if n := len(r.b.Keys()); n != len(c.want) {
					r.Errorf("the bucket holds %q", r.b.Keys())
				}
				r.wantNothing()
			})
		})
	}
}

func TestDropEndsAnUpload(t *testing.T) {
	bubble(t, Config{}, nil, func(r *rig) {
		it := r.create("Delivery/big", random(1, 2*parts.Size))
		synctest.Wait()
		r.done(it)
		r.hold(it)
		it.Drop()
		it.Close()
		r.drain()
		synctest.Wait() // the upload is ended behind it
		r.wantKeys()
		if r.b.Count(buckettest.Abort) != 1 {
			r.Errorf("requests %v, want the upload aborted", r.b.Log())
		}
		r.wantNothing()
		if err := it.Hold(r.Context()); !errors.Is(err, ErrGone) {
			r.Errorf("Hold of a dropped item: %v, want ErrGone", err)
		}
	})
}

func TestRenameEndsAnUpload(t *testing.T) {
	bubble(t, Config{}, nil, func(r *rig) {
		data := random(1, 2*parts.Size)
		it := r.create("Delivery/a", data)
		synctest.Wait()
		if err := it.Rename("Delivery/b", s3backend.Object{}, nil); err != nil {
			r.Fatal(err)
		}
		r.done(it)
		r.drain()
		r.wantHolds("Delivery/b", data)
		r.wantKeys("Delivery/b")
		r.wantNothing()
	})
}

// TestHoldCutsACommitOff takes an item back from a commit that S3 does not answer.
func TestHoldCutsACommitOff(t *testing.T) {
	var held *buckettest.Holder
	fault := func(b buckettest.S3) (s3 buckettest.S3) {
		s3, held = buckettest.Hold(b, buckettest.Put)
		return s3
	}
	bubble(t, Config{}, fault, func(r *rig) {
		it := r.create("Delivery/a", []byte("one"))
		r.done(it)
		<-held.Entered
		r.hold(it)
		held.Release()
		r.write(it, []byte("two"), 0)
		r.done(it)
		r.drain()
		r.wantHolds("Delivery/a", []byte("two"))
		r.wantKeys("Delivery/a")
		r.wantNothing()
	})
}

// TestQueuedItemIsReopened opens an item that has settled and waits for a worker,
// and leaves it to be kept here: the worker must not send it.
func TestQueuedItemIsReopened(t *testing.T) {
	for name, leave := range map[string]func(*rig, *Item){
		"interrupted": func(r *rig, it *Item) {
			it.Interrupt()
			r.done(it)
		},
		"still open": func(*rig, *Item) {},
		"private": func(r *rig, it *Item) {
			if err := it.Rename("Delivery/b~", s3backend.Object{}, nil); err != nil {
				r.Fatal(err)
			}
			r.done(it)
		},
	} {
		t.Run(name, func(t *testing.T) {
			var held *buckettest.Holder
			fault := func(b buckettest.S3) (s3 buckettest.S3) {
				s3, held = buckettest.Hold(b, buckettest.Put)
				return s3
			}
			bubble(t, Config{Workers: 1}, fault, func(r *rig) {
				r.done(r.create("Delivery/a", []byte("a")))
				<-held.Entered
				it := r.create("Delivery/b", []byte("b"))
				r.done(it)
				time.Sleep(time.Second)
				synctest.Wait() // it is queued behind the other
				r.hold(it)
				r.write(it, []byte("half"), 0)
				leave(r, it)
				held.Release()
				time.Sleep(time.Minute)
				synctest.Wait()
				r.wantKeys("Delivery/a")
			})
		})
	}
}

func TestInterrupted(t *testing.T) {
	bubble(t, Config{}, nil, func(r *rig) {
		it := r.create("Delivery/a", []byte("half"))
		it.Interrupt()
		r.done(it)
		time.Sleep(time.Hour)
		if st := it.Status(); st.State != Interrupted || st.Reason == "" || r.b.Count("") != 0 {
			r.Fatalf("an interrupted file is %+v after %v", st, r.b.Log())
		}
		var left *LeftError
		if err := r.Drain(r.Context()); !errors.As(err, &left) || left.Left[0].Key != "Delivery/a" {
			r.Errorf("Drain = %v, want it left", err)
		}
		if it.Retry() {
			r.Error("Retry took an interrupted file for a blocked one")
		}
		if err := it.Deliver(); err != nil {
			r.Fatal(err)
		}
		r.drain()
		r.wantHolds("Delivery/a", []byte("half"))
		r.wantNothing()
	})
}
