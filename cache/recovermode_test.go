package cache

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/s3share/s3share/cache/buckettest"
)

// TestNewFileKeepsItsModeAfterAKill makes a file under a name that had another file, whose
// mode only this machine knows: the next process shows the new file's mode. A file that is
// only changed keeps its mode.
func TestNewFileKeepsItsModeAfterAKill(t *testing.T) {
	given := uint32(0o600)
	for _, how := range []string{"removed", "renamed", "changed"} {
		for _, mode := range []*uint32{nil, &given} { // nil: the usual mode, which is not noted
			t.Run(fmt.Sprint(how, " ", mode != nil), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b, dir := buckettest.New(), t.TempDir()
					begin := func() *rig { return rigIn(t, b, b, dir) }
					b.Store("Delivery/f", []byte("before"), nil)
					r := begin()
					if err := r.SetMode(r.Context(), "Delivery/f", 0o755); err != nil {
						t.Fatal(err)
					}
					want := mode
					switch how {
					case "removed":
						r.remove("Delivery/f")
					case "renamed":
						r.rename("Delivery/f", "Delivery/g")
					}
					if how == "changed" {
						executable := uint32(0o755)
						want = &executable
						r.edit("Delivery/f", "B")
					} else {
						h, err := r.Create(r.Context(), "Delivery/f", mode, true, OpenMode{})
						if err != nil {
							t.Fatal(err)
						}
						r.writeAt(h, "new", 0)
						h.Release()
					}
					r.Close()
					r = begin()
					defer r.Close()
					for _, when := range []string{"before its delivery", "after it"} {
						a, err := r.Stat(r.Context(), "Delivery/f")
						if err != nil {
							t.Fatal(err)
						}
						if a.HasMode != (want != nil) || want != nil && a.Mode != *want {
							t.Errorf("%s the mode is %o, %v", when, a.Mode, a.HasMode)
						}
						r.drain()
					}
				})
			})
		}
	}
}

// TestModeUnderAPrivateNameAfterAKill renames a file to a private name, where S3 does not let the
// original be removed: it is shown again, and its mode is set. The mode under the private name is
// what it was, also for the next process.
func TestModeUnderAPrivateNameAfterAKill(t *testing.T) {
	for _, before := range []bool{false, true} { // a mode was set before the rename
		t.Run(fmt.Sprint(before), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, dir := buckettest.New(), t.TempDir()
				begin := func() *rig { return rigIn(t, b, b, dir) }
				b.Store("Delivery/f", []byte("content"), nil)
				r := begin()
				a, err := r.Stat(r.Context(), "Delivery/f")
				if err != nil {
					t.Fatal(err)
				}
				if before {
					r.attrs.setMode(a.Key, a.ETag, 0o600)
				}
				r.rename("Delivery/f", "Delivery/.f.swp")
				want, err := r.Stat(r.Context(), "Delivery/.f.swp")
				if err != nil {
					t.Fatal(err)
				}
				r.attrs.setMode(a.Key, a.ETag, 0o755) // as of a file that is shown again
				r.Close()
				r = begin()
				defer r.Close()
				got, err := r.Stat(r.Context(), "Delivery/.f.swp")
				if err != nil || got.HasMode != want.HasMode || got.Mode != want.Mode {
					t.Errorf("mode %o, %t, %v, want %o, %t", got.Mode, got.HasMode,
						err, want.Mode, want.HasMode)
				}
				if want.HasMode != before || before && want.Mode != 0o600 {
					t.Errorf("after the rename the mode is %o, %t", want.Mode, want.HasMode)
				}
			})
		})
	}
}
