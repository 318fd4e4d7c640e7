package outbox

import (
	"testing"
	"time"

	"github.com/s3share/s3share/cache/privatename"
	"github.com/s3share/s3share/s3backend"
)

// TestProbeIsPrivateUntilItHasContent: vim makes and removes an empty 4913 to see
// whether files can be made. One with content, or a directory, is somebody's data.
func TestProbeIsPrivateUntilItHasContent(t *testing.T) {
	bubble(t, Config{}, nil, func(r *rig) {
		it := r.create("Delivery/4913", nil)
		r.done(it)
		time.Sleep(time.Minute)
		r.wantKeys()
		if st := it.Status(); st.State != Local {
			t.Errorf("the empty probe is %s, want %s", st.State, Local)
		}
		r.hold(it)
		r.write(it, []byte("a year in history"), 0)
		r.done(it)
		dir, err := r.CreateFolder("Delivery/2025/4913/")
		if err != nil {
			t.Fatal(err)
		}
		dir.Release()
		r.done(r.create("Delivery/2025/4913/a", []byte("a")))
		r.drain()
		r.wantHolds("Delivery/4913", []byte("a year in history"))
		r.wantKeys("Delivery/2025/4913/", "Delivery/2025/4913/a", "Delivery/4913")

		it = r.edit("Delivery/4913") // S3 holds it: emptied, it is still the other party's business
		if err := it.Truncate(0); err != nil {
			t.Fatal(err)
		}
		r.done(it)
		r.drain()
		r.wantHolds("Delivery/4913", nil)
	})
}

// TestPrivateByChoice keeps what a changed list keeps, and delivers what it does not.
func TestPrivateByChoice(t *testing.T) {
	p, err := privatename.New([]string{"*.bak", "!*.part"})
	if err != nil {
		t.Fatal(err)
	}
	bubble(t, Config{Private: p}, nil, func(r *rig) {
		kept, sent := r.create("Delivery/a.bak",
			[]byte("a")), r.create("Delivery/b.part", []byte("b"))
		r.done(kept)
		r.done(sent)
		time.Sleep(time.Minute)
		r.wantKeys("Delivery/b.part")
		if st := kept.Status(); st.State != Local {
			r.Errorf("a.bak is %s", st.State)
		}
		r.hold(kept)
		if err := kept.Rename("Delivery/a", s3backend.Object{}, nil); err != nil {
			r.Fatal(err)
		}
		r.done(kept)
		r.drain()
		r.wantKeys("Delivery/a", "Delivery/b.part")
	})
}
