package cache

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/s3share/s3share/s3backend"
)

func TestEscape(t *testing.T) {
	for _, c := range []struct{ elem, name string }{
		{"q3.csv", "q3.csv"},
		{"100% übrig", "100% übrig"},
		{"", "␛"},
		{".", "␛2E"},
		{"..", "␛2E␛2E"},
		{"...", "..."},
		{"Icon\r", "Icon\r"},
		{"\x01\t\n\x1b[31m\x7f", "\x01\t\n\x1b[31m\x7f"},
		{"\u0085\u2028\ufffe\uffff\ufeff", "\u0085\u2028\ufffe\uffff\ufeff"},
		{"a\x00b\n", "a␛00b\n"},
		{"a\xffb", "a␛FFb"},
		{"\xed\xa0\x80", "␛ED␛A0␛80"},
		{"50␛", "50␛E2␛90␛9B"},
		{"x␛0D", "x␛E2␛90␛9B0D"},
		{"\ufffd", "\ufffd"},
	} {
		if got := escape(c.elem); got != c.name {
			t.Errorf("escape(%q) = %q, want %q", c.elem, got, c.name)
		}
		if got, shadowed, ok := unescape(c.name); got != c.elem || shadowed || !ok {
			t.Errorf("unescape(%q) = %q, %v, %v, want %q", c.name, got, shadowed, ok, c.elem)
		}
	}
}

func TestUnescapeRefusesWhatEscapeNeverMakes(t *testing.T) {
	for _, name := range []string{"", ".", "..", "␛61", "a␛0", "a␛zz", "␛2e", "x␛2E", "␛␛", "Icon␛0D", "␛7F", "a␛C3␛BC", "caf\xe9", "caf\xe9␛FF"} {
		if elem, _, ok := unescape(name); ok {
			t.Errorf("unescape(%q) = %q, want it refused", name, elem)
		}
	}
}

func TestUnescapeShadowed(t *testing.T) {
	elem, shadowed, ok := unescape("a␛")
	if elem != "a" || !shadowed || !ok {
		t.Errorf("unescape(a␛) = %q, %v, %v, want a, true, true", elem, shadowed, ok)
	}
}

func TestLongNamesStayApart(t *testing.T) {
	long := strings.Repeat("ä", 200)
	a, b := escape(long+"1"), escape(long+"2")
	if a == b || len(a) > maxName || len(b) > maxName || !isLong(a) {
		t.Fatalf("escape of two long elements = %q and %q", a, b)
	}
	if c := escapeBeside(long + "1"); len(c) > maxName || c == a || !utf8.ValidString(c) {
		t.Errorf("escapeBeside of a long element = %q", c)
	}
	if head, ok := longHead(a); !ok || !strings.HasPrefix(long, head) || head == "" {
		t.Errorf("longHead(%q) = %q, %v", a, head, ok)
	}
}

// checkElem fails unless an element of a key has a name of its own, which leads back to it.
func checkElem(t interface{ Fatalf(string, ...any) }, elem string) {
	for _, show := range []func(string) string{escape, escapeBeside} {
		name := show(elem)
		if !utf8.ValidString(name) || len(name) > maxName || name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
			t.Fatalf("%q is shown as %q, which is no name", elem, name)
		}
		if isName(elem) && len(elem) <= maxName && escape(elem) != elem {
			t.Fatalf("%q, which is a name, is shown as %q", elem, escape(elem))
		}
	}
	if elem == "" {
		return // beside "" would be the folder's own object, which is not shown
	}
	for name, beside := range map[string]bool{escape(elem): false, escapeBeside(elem): true} {
		if short := strings.TrimSuffix(name, escapeChar); isLong(short) {
			if head, ok := longHead(short); !ok || !strings.HasPrefix(elem, head) || !utf8.ValidString(head) {
				t.Fatalf("what begins with %q, %v, is to have %q, shown as %q", head, ok, elem, name)
			}
		} else if got, shadowed, ok := unescape(name); !ok || got != elem || shadowed != beside {
			t.Fatalf("%q is shown as %q, which is %q, %v, %v", elem, name, got, shadowed, ok)
		}
	}
}

// checkName fails unless a name is nobody's, or that of the element that it stands for.
func checkName(t interface{ Fatalf(string, ...any) }, name string) {
	elem, beside, ok := unescape(name)
	switch {
	case !ok:
	case beside && escapeBytes(elem)+escapeChar != name, !beside && escapeBytes(elem) != name:
		t.Fatalf("%q stands for %q, %v, which is shown as %q", name, elem, beside, escapeBytes(elem))
	}
	if isName(name) && (!ok || elem != name || beside) {
		t.Fatalf("%q is a name and stands for %q, %v, %v", name, elem, beside, ok)
	}
}

// FuzzNames has every key shown under one name, and no name stand for two keys.
func FuzzNames(f *testing.F) {
	for _, s := range []string{"", ".", "..", "a␛", "\x00", "a\xc3", strings.Repeat("x", 300)} {
		f.Add(s, s+"b")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if strings.Contains(a+b, "/") {
			t.Skip("an element holds no slash")
		}
		checkElem(t, a)
		checkElem(t, b)
		checkName(t, a)
		checkName(t, b)
		names := []string{escape(a), escapeBeside(a), escape(b), escapeBeside(b)}
		if a != b && (names[0] == names[2] || names[0] == names[3] || names[1] == names[2] || names[1] == names[3]) {
			t.Fatalf("%q and %q are shown as %q", a, b, names)
		}
	})
}

// TestOneNameForOneKey draws elements and names of what has something to be got wrong.
func TestOneNameForOneKey(t *testing.T) {
	pieces := rapid.SampledFrom([]string{
		"a", ".", " ", "ü", "😀", "\x01", "\r", "\n", "\x7f", "\x00", "\xff", "\xc3", "\xed\xa0\x80", "\u0085", "\u2028", "\ufffe", "\uffff", "\ufffd",
		"␛", "\xe2\x90", "\x9b", "2E", "0D", "E2␛90␛9B", "~", "0123456789abcdef", strings.Repeat("x", 120), strings.Repeat("\xfe", 60), strings.Repeat("␛", 30),
	})
	text := rapid.Custom(func(rt *rapid.T) string {
		return strings.Join(rapid.SliceOfN(pieces, 0, 8).Draw(rt, "pieces"), "")
	})
	rapid.Check(t, func(rt *rapid.T) {
		shown := map[string]string{}
		for _, elem := range rapid.SliceOfN(text, 1, 20).Draw(rt, "elements") {
			checkElem(rt, elem)
			checkName(rt, elem)
			if elem == "" {
				continue
			}
			for _, name := range []string{escape(elem), escapeBeside(elem)} {
				if other, ok := shown[name]; ok && other != elem {
					rt.Fatalf("%q and %q are both shown as %q", elem, other, name)
				}
				shown[name] = elem
			}
		}
	})
}

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
				"Rename of a file":        second(r.Rename(r.Context(), "Delivery/f", path, Version{})),
				"Rename of an owed file":  second(r.Rename(r.Context(), "Delivery/owed", path, Version{})),
				"Rename of a folder":      second(r.Rename(r.Context(), "Delivery/d", path, Version{})),
				"Rename to what is free":  second(r.RenameNew(r.Context(), "Delivery/f", path)),
				"Create below a folder":   second(r.Create(r.Context(), "Delivery/d/"+name, nil, false, OpenMode{})),
				"Rename into the folder":  second(r.Rename(r.Context(), "Delivery/f", "Delivery/d/"+name, Version{})),
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
		r.wantBucket(map[string]string{"Delivery/f": "f", "Delivery/d/x": "x", "Delivery/owed": "owed"})
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
				if _, err := r.Stat(r.Context(), "Delivery/"+name); !errors.Is(err, s3backend.NotExist) {
					r.Errorf("Stat of the old name: %v, want NotExist", err)
				}
			})
		})
	}
}
