package cache

import (
	"slices"
	"testing"
	"time"
)

// TestUnseenVersionStays has a program look at a name, the other party put a version
// there, and the program take the name: what it did not see is not replaced.
func TestUnseenVersionStays(t *testing.T) {
	rename := func(r *rig, seen ShownVersion) error {
		return second(r.Rename(r.Context(), "Delivery/mine", "Delivery/f", seen))
	}
	for name, c := range map[string]struct {
		before string // what the program saw; "" for a name that was free
		take   func(*rig, ShownVersion) error
		want   []string // contents in the end
	}{
		"rename to a free name": {"", rename, []string{"mine", "theirs"}},
		"rename over a file":    {"before", rename, []string{"mine", "theirs"}},
		"rename of what is owed": {"before", func(r *rig, seen ShownVersion) error {
			r.edit("Delivery/mine", "M")
			return rename(r, seen)
		}, []string{"Mine", "theirs"}},
		"remove": {"before", func(r *rig, seen ShownVersion) error {
			return r.Remove(r.Context(), "Delivery/f", seen)
		}, []string{"mine", "theirs"}},
		"create and truncate": {"", func(r *rig, _ ShownVersion) error {
			h, err := r.Create(r.Context(), "Delivery/f", nil, false, OpenMode{Truncate: true})
			if err == nil {
				r.writeAt(h, "new", 0)
				h.Release()
			}
			return err
		}, []string{"mine", "new", "theirs"}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, nil, func(r *rig) {
				r.b.Store("Delivery/mine", []byte("mine"), nil)
				if c.before != "" {
					r.b.Store("Delivery/f", []byte(c.before), nil)
				}
				seen := r.shown("Delivery/f")
				r.b.Store("Delivery/f", []byte("theirs"), nil)
				time.Sleep(time.Minute)
				r.wantText("Delivery/f", "theirs") // known here by now, but not to the program
				if err := c.take(r, seen); err != nil {
					t.Fatal(err)
				}
				r.drain()
				r.wantText("Delivery/f", "theirs")
				var got []string
				for _, key := range r.b.Keys() {
					data, _ := r.b.Data(key)
					got = append(got, string(data))
				}
				if slices.Sort(got); !slices.Equal(got, c.want) {
					t.Errorf("the bucket holds %q, want %q", got, c.want)
				}
			})
		})
	}
}

// TestSeenVersionIsReplaced: what this side has put under a name since a program
// looked is no reason to keep it.
func TestSeenVersionIsReplaced(t *testing.T) {
	bubble(t, nil, func(r *rig) {
		r.b.Store("Delivery/mine", []byte("mine"), nil)
		r.create("Delivery/f", "ours").Release()
		seen := r.shown("Delivery/f")
		r.drain() // it has an ETag now
		if _, err := r.Rename(r.Context(), "Delivery/mine", "Delivery/f", seen); err != nil {
			t.Fatal(err)
		}
		r.drain()
		r.wantBucket(map[string]string{"Delivery/f": "mine"})
	})
}
