package cache

import (
	"errors"
	"testing"

	"github.com/s3share/s3share/s3backend"
)

// TestNamesThatAreRefused makes files and directories of names that no key can have, or
// that would be shown otherwise than they were given. What has such a key stays reachable.
func TestNamesThatAreRefused(t *testing.T) {
	refused := map[string]error{
		"caf\xe9": ErrNotUTF8, "\xff": ErrNotUTF8, "a\xc3": ErrNotUTF8, "\xed\xa0\x80": ErrNotUTF8, "caf\xe9.part": ErrNotUTF8, "␛\xff": ErrNotUTF8,
		"caf␛E9":  ErrNotUTF8, // the escape of what no key can be
		"Icon␛0D": ErrInvalid, "␛61": ErrInvalid, "50␛": ErrInvalid, "␛": ErrInvalid, "␛2E": ErrInvalid, "␛2E␛2E": ErrInvalid, "a␛00": ErrInvalid,
		"f␛": ErrInvalid, "d␛": ErrInvalid, "x␛": ErrInvalid, "f␛~0123456789abcdef": ErrInvalid,
	}
	bubble(t, nil, func(r *rig) {
		r.b.Store("Delivery/f", []byte("f"), nil)
		r.b.Store("Delivery/d/x", []byte("x"), nil)
		r.create("Delivery/owed", "owed").Release()
		for name, want := range refused {
			path := "Delivery/" + name
			for what, got := range map[string]error{
				"Create":                  second(r.Create(r.Context(), path, nil, false, OpenMode{})),
				"Create, exclusive":       second(r.Create(r.Context(), path, nil, true, OpenMode{})),
				"Create, truncating":      second(r.Create(r.Context(), path, nil, false, OpenMode{Truncate: true})),
				"Mkdir":                   r.Mkdir(r.Context(), path, nil),
				"Rename of a file":        second(r.Rename(r.Context(), "Delivery/f", path, ShownVersion{})),
				"Rename of an owed file":  second(r.Rename(r.Context(), "Delivery/owed", path, ShownVersion{})),
				"Rename of a folder":      second(r.Rename(r.Context(), "Delivery/d", path, ShownVersion{})),
				"Rename to what is free":  second(r.RenameNew(r.Context(), "Delivery/f", path)),
				"Create below a folder":   second(r.Create(r.Context(), "Delivery/d/"+name, nil, false, OpenMode{})),
				"Rename into the folder":  second(r.Rename(r.Context(), "Delivery/f", "Delivery/d/"+name, ShownVersion{})),
				"RenameNew to the folder": second(r.RenameNew(r.Context(), "Delivery/d/x", "Delivery/d/"+name)),
			} {
				if !errors.Is(got, want) {
					r.Errorf("%s of %q: %v, want %v", what, name, got, want)
				}
			}
			if _, err := r.Stat(r.Context(), path); !errors.Is(err, s3backend.NotExist) {
				r.Errorf("Stat of %q: %v, want NotExist", name, err)
			}
		}
		r.drain()
		r.wantBucket(map[string]string{"Delivery/f": "f", "Delivery/d/x": "x",
			"Delivery/owed": "owed"})
	})
}

// TestKeysThatAreNoNamesAreReachable edits, renames and removes what another program has
// put under keys that nobody can make here.
func TestKeysThatAreNoNamesAreReachable(t *testing.T) {
	for name, key := range map[string]string{
		"caf␛E9": "caf\xe9", "a␛00": "a\x00", "␛2E␛2E": "..", "d␛": "d", "50␛E2␛90␛9B": "50␛", "d/␛/y": "d//y", "caf␛E8/in": "caf\xe8/in",
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, nil, func(r *rig) {
				r.b.Store("Delivery/d/x", []byte("x"), nil)
				r.b.Store("Delivery/"+key, []byte("theirs"), nil)
				r.edit("Delivery/"+name, "OURS")
				r.drain()
				r.wantBucket(map[string]string{"Delivery/d/x": "x", "Delivery/" + key: "OURSrs"})
				r.create("Delivery/new", "new").Release()
				r.rename("Delivery/new", "Delivery/"+name)
				r.drain()
				r.wantBucket(map[string]string{"Delivery/d/x": "x", "Delivery/" + key: "new"})
				r.rename("Delivery/"+name, "Delivery/plain")
				r.drain()
				r.wantText("Delivery/plain", "new")
				if _, err := r.Stat(r.Context(),
					"Delivery/"+name); !errors.Is(err, s3backend.NotExist) {
					r.Errorf("Stat of the old name: %v, want NotExist", err)
				}
			})
		})
	}
}
