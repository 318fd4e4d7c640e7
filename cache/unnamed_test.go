package cache

import (
	"testing"
	"time"
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
