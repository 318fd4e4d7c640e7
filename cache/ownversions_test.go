package cache

import (
	"testing"
	"testing/synctest"
)

// TestOwnVersions delivers, renames and reads files, and has the other
// party put one: another process tells from the state directory which versions are ours.
func TestOwnVersions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, cfg := newRig(t)
		theirs := r.b.Store("Delivery/theirs", []byte("theirs"), nil)
		r.wantText("Delivery/theirs", "theirs")
		r.create("Delivery/ours", "ours").Release()
		r.create("Delivery/before", "renamed").Release()
		r.drain()
		r.rename("Delivery/before", "Delivery/after")
		r.drain()
		d := NewOwnVersions(cfg.StateDir)
		if err := d.Refresh(); err != nil {
			t.Fatal(err)
		}
		for key, want := range map[string]bool{"Delivery/theirs": false, "Delivery/ours": true,
			"Delivery/after": true, "Delivery/none": false} {
			if got := d.Has(key, r.b.Object(key).ETag); got != want {
				t.Errorf("%s was made here: %t, want %t", key, got, want)
			}
		}
		if d.Has("Delivery/ours", theirs.ETag) {
			t.Error("the other party's version of a file of ours counts as made here")
		}
		r.create("Delivery/later", "later").Release()
		r.drain()
		if err := d.Refresh(); err != nil ||
			!d.Has("Delivery/later", r.b.Object("Delivery/later").ETag) {
			t.Errorf("what was delivered since the last look is not known: %v", err)
		}
	})
}
