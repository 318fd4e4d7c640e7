package cache

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/outbox"
)

// states lists what waits as "key state", sorted.
func (r *rig) states() (all []string) {
	for _, st := range r.deliveries.Status() {
		all = append(all, st.Key+" "+string(st.State))
	}
	slices.Sort(all)
	return all
}

func (r *rig) wantStates(want ...string) {
	r.Helper()
	if got := r.states(); !slices.Equal(got, want) {
		r.Errorf("waiting are %q, want %q", got, want)
	}
}

// TestDrainDeletesWhatWasSetAside waits for the deletion of the object of a file that was
// set aside, which is listed until then.
func TestDrainDeletesWhatWasSetAside(t *testing.T) {
	for name, wait := range map[string]func(*rig) error{
		"drain": func(r *rig) error { return r.deliveries.Drain(r.Context()) },
		"wait":  func(r *rig) error { return r.deliveries.Wait(r.Context(), "Delivery/f") },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, nil, func(r *rig) {
				r.b.Store("Delivery/f", []byte("before"), nil)
				r.rename("Delivery/f", "Delivery/f~")
				r.wantStates("Delivery/f removing", "Delivery/f~ private")
				began := time.Now()
				if err := wait(r); err != nil {
					r.Fatal(err)
				}
				if d := time.Since(began); d > 5*time.Second {
					r.Errorf("it took %v", d)
				}
				r.wantBucket(nil)
				r.wantStates("Delivery/f~ private")
				r.wantShown("Delivery", "f~")
				r.wantText("Delivery/f~", "before")
			})
		})
	}
}

// TestDrainWhileSetAsideIsOpen waits for the same while a program writes the private file.
func TestDrainWhileSetAsideIsOpen(t *testing.T) {
	bubble(t, nil, func(r *rig) {
		r.b.Store("Delivery/f", []byte("before"), nil)
		h := r.open("Delivery/f", OpenMode{Write: true})
		r.rename("Delivery/f", "Delivery/f~")
		r.writeAt(h, "BE", 0)
		r.drain()
		r.wantBucket(nil)
		h.Release()
		r.drain()
		r.wantBucket(nil)
		r.wantText("Delivery/f~", "BEfore")
	})
}

// TestDrainWhereSetAsideMayNotBeDeleted ends all the same, and shows the file again.
func TestDrainWhereSetAsideMayNotBeDeleted(t *testing.T) {
	bubble(t, buckettest.DenyDelete, func(r *rig) {
		r.b.Store("Delivery/f", []byte("before"), nil)
		r.rename("Delivery/f", "Delivery/f~")
		r.drain()
		r.wantBucket(map[string]string{"Delivery/f": "before"})
		r.wantShown("Delivery", "f", "f~")
		r.wantStates("Delivery/f~ private")
		r.wantNotRemoved("Delivery/f")
	})
}

// TestNextProcessDeletesWhatWasSetAside leaves the object to a later process, which lists
// it, with its outbox unread too.
func TestNextProcessDeletesWhatWasSetAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, dir := buckettest.New(), t.TempDir()
		begin := func() *rig { return rigIn(t, b, b, dir) }
		b.Store("Delivery/f", []byte("before"), nil)
		r := begin()
		r.rename("Delivery/f", "Delivery/f~")
		r.Close()
		r.wantBucket(map[string]string{"Delivery/f": "before"})
		left, err := outbox.Inspect(stageDir(dir), nil)
		if err != nil {
			t.Fatal(err)
		}
		var listed []string
		for _, st := range left {
			listed = append(listed, st.Key+" "+string(st.State))
		}
		slices.Sort(listed)
		if want := []string{"Delivery/f removing",
			"Delivery/f~ private"}; !slices.Equal(listed, want) {
			t.Errorf("Survey lists %q, want %q", listed, want)
		}
		r = begin()
		defer r.Close()
		r.wantStates("Delivery/f removing", "Delivery/f~ private")
		r.drain()
		r.wantBucket(nil)
		r.wantText("Delivery/f~", "before")
	})
}

// TestRemovedWhileOpenWaits lists what was removed while a program has it open. It is
// deleted at the last close, or when the mount is undone.
func TestRemovedWhileOpenWaits(t *testing.T) {
	for _, closes := range []bool{true, false} {
		bubble(t, nil, func(r *rig) {
			r.b.Store("Delivery/f", []byte("f"), nil)
			h := r.open("Delivery/f", OpenMode{})
			r.remove("Delivery/f")
			r.wantStates("Delivery/f open")
			r.drain()
			r.wantBucket(map[string]string{"Delivery/f": "f"})
			if closes {
				waited := make(chan error)
				go func() { waited <- r.deliveries.Wait(r.Context(), "Delivery/f") }()
				synctest.Wait()
				select {
				case err := <-waited:
					r.Fatalf("Wait = %v while it is open", err)
				default:
				}
				h.Release()
				if err := <-waited; err != nil {
					r.Fatal(err)
				}
			} else {
				ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
				defer cancel()
				if err := r.deliveries.DrainLast(ctx); err != nil {
					r.Fatal(err)
				}
				defer h.Release()
			}
			r.wantBucket(nil)
			r.wantStates()
		})
	}
}
