package cache

import (
	"slices"
	"sync/atomic"
	"testing"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/s3backend"
)

func (r *rig) wantNotRemoved(want ...string) {
	r.Helper()
	var got []string
	for _, st := range r.deliveries.Unresolved("") {
		if st.State == outbox.NotRemoved {
			got = append(got, st.Path)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		r.Errorf("not removed are %q, want %q", got, want)
	}
}

// TestNotRemoved removes and renames what the owner of the bucket lets nobody delete by the time
// that S3 is asked: it is shown again, and listed as not removed, until it is removed after all.
func TestNotRemoved(t *testing.T) {
	for name, c := range map[string]struct {
		do    func(r *rig)
		shown []string // in Delivery
		left  []string
	}{
		"a file":                  {func(r *rig) { r.remove("Delivery/d/f") }, []string{"d"}, []string{"Delivery/d/f"}},
		"a rename":                {func(r *rig) { r.rename("Delivery/d/f", "Delivery/g") }, []string{"d", "g"}, []string{"Delivery/d/f"}},
		"a rename of a directory": {func(r *rig) { r.rename("Delivery/d", "Delivery/e") }, []string{"d", "e"}, []string{"Delivery/d", "Delivery/d/f"}},
		"a directory": {func(r *rig) {
			r.remove("Delivery/d/f")
			if err := r.Rmdir(r.Context(), "Delivery/d"); err != nil {
				r.Fatal(err)
			}
		}, []string{"d"}, []string{"Delivery/d", "Delivery/d/f"}},
	} {
		t.Run(name, func(t *testing.T) {
			var refuses atomic.Bool
			refuse := func(b buckettest.S3) buckettest.S3 {
				for _, op := range []string{buckettest.Delete, buckettest.DeleteAll} {
					b = buckettest.Answer(b, op, func() error {
						if refuses.Load() {
							return s3backend.Denied
						}
						return nil
					})
				}
				return b
			}
			bubble(t, refuse, func(r *rig) {
				r.b.Store("Delivery/d/", nil, nil)
				r.b.Store("Delivery/d/f", []byte("f"), nil)
				r.wantShown("Delivery/d", "f")
				refuses.Store(true)
				c.do(r)
				r.drain()
				r.wantNotRemoved(c.left...)
				r.wantShown("Delivery", c.shown...)
				r.wantShown("Delivery/d", "f")
				r.wantText("Delivery/d/f", "f")
				refuses.Store(false)
				r.deliveries.Retry("")
				r.remove("Delivery/d/f")
				if err := r.Rmdir(r.Context(), "Delivery/d"); err != nil {
					r.Fatal(err)
				}
				r.drain()
				r.wantNotRemoved()
				r.wantShown("Delivery", c.shown[1:]...)
			})
		})
	}
}
