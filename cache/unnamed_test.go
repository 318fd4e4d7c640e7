package cache

import (
	"errors"
	"testing"
	"time"

	"github.com/s3share/s3share/cache/outbox/stage"
)

// TestChangeOfARemovedFile changes a file through a descriptor, after its name was removed. It
// stays removed: it is shown nowhere, and S3 holds it no more once it is closed.
func TestChangeOfARemovedFile(t *testing.T) {
	changes := map[string]func(h *Handle) error{
		"write": func(h *Handle) error {
			_, err := h.WriteAt(t.Context(), []byte("x"), 0)
			return err
		},
		"truncate":  func(h *Handle) error { return h.Truncate(t.Context(), 1) },
		"fallocate": func(h *Handle) error { return h.Allocate(t.Context(), 100) },
		"utimes":    func(h *Handle) error { return h.SetMtime(t.Context(), time.Unix(1e9, 0)) },
		"chmod":     func(h *Handle) error { return h.SetMode(t.Context(), 0o600) },
	}
	for name, change := range changes {
		for _, wait := range []time.Duration{0, time.Second} {
			t.Run(name+" "+wait.String(), func(t *testing.T) {
				bubble(t, nil, func(r *rig) {
					r.b.Store("Delivery/f", []byte("before"), nil)
					h := r.open("Delivery/f", OpenMode{Write: true})
					r.remove("Delivery/f")
					time.Sleep(wait)
					if err := change(h); err != nil {
						r.Error(err)
					}
					r.wantShown("Delivery")
					time.Sleep(wait)
					h.Release()
					r.wantShown("Delivery")
					r.drain()
					r.wantShown("Delivery")
					r.wantBucket(nil)
				})
			})
		}
	}
}

// TestRemovedFileIsGoneAfterAKill has a program change a file whose name was removed, or taken by
// another file, and kills the daemon. The next process knows nothing of the file, and has nothing
// to deliver but what took its name.
func TestRemovedFileIsGoneAfterAKill(t *testing.T) {
	const key, other = "Delivery/f", "Delivery/other"
	large := make([]byte, 2*stage.SlotSize)
	changes := map[string]func(h *Handle) error{
		"none":  func(h *Handle) error { return nil },
		"write": func(h *Handle) error { _, err := h.WriteAt(t.Context(), []byte("x"), 0); return err },
		"write much": func(h *Handle) error {
			_, err := h.WriteAt(t.Context(), large, 0)
			return err
		},
		"write far": func(h *Handle) error {
			_, err := h.WriteAt(t.Context(), []byte("x"), int64(len(large)))
			return err
		},
		"truncate":  func(h *Handle) error { return h.Truncate(t.Context(), int64(len(large))) },
		"fallocate": func(h *Handle) error { return h.Allocate(t.Context(), int64(len(large))) },
		"fsync": func(h *Handle) error {
			_, err := h.WriteAt(t.Context(), large, 0)
			return errors.Join(err, h.Fsync(t.Context()))
		},
		"change much, then close": func(h *Handle) error {
			_, err := h.WriteAt(t.Context(), large, 0)
			return errors.Join(err, h.Flush(t.Context(), Closing{Last: true}))
		},
	}
	begins := map[string]func(r *rig) *Handle{
		"new and empty": func(r *rig) *Handle { return r.create(key, "") },
		"new and small": func(r *rig) *Handle { return r.create(key, "small") },
		"new and large": func(r *rig) *Handle { return r.create(key, string(large)) },
		"in the bucket": func(r *rig) *Handle {
			r.b.Store(key, []byte("before"), nil)
			h := r.open(key, OpenMode{Write: true})
			r.writeAt(h, "edited", 0)
			return h
		},
	}
	ends := map[string]func(r *rig){
		"removed":  func(r *rig) { r.remove(key) },
		"replaced": func(r *rig) { r.rename(other, key) },
	}
	for begin, create := range begins {
		for end, remove := range ends {
			for name, change := range changes {
				t.Run(begin+", "+end+", "+name, func(t *testing.T) {
					r, cfg := newRig(t)
					h := create(r)
					defer func() { h.Release() }()
					want := map[string]string{}
					if end == "replaced" {
						o := r.create(other, "other")
						if err := o.Flush(t.Context(), Closing{Last: true}); err != nil {
							t.Fatal(err)
						}
						defer func() { o.Release() }()
						want[key] = "other"
					}
					remove(r)
					if err := change(h); err != nil {
						t.Error(err)
					}

					next := afterKill(t, r.b, cfg)
					for _, st := range next.deliveries.Status() {
						if st.Key != key && st.Key != other {
							t.Errorf("the next process has %+v", st)
						}
					}
					if err := next.deliveries.Drain(t.Context()); err != nil {
						t.Errorf("the next process cannot deliver all: %v", err)
					}
					(&rig{t, next, r.b}).wantBucket(want)
				})
			}
		}
	}
}
