package keyname

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
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
		if got := Escape(c.elem); got != c.name {
			t.Errorf("Escape(%q) = %q, want %q", c.elem, got, c.name)
		}
		if got, shadowed, ok := Unescape(c.name); got != c.elem || shadowed || !ok {
			t.Errorf("Unescape(%q) = %q, %v, %v, want %q", c.name, got, shadowed, ok, c.elem)
		}
	}
}

func TestUnescapeRefusesWhatEscapeNeverMakes(t *testing.T) {
	for _, name := range []string{"", ".", "..", "␛61", "a␛0", "a␛zz", "␛2e", "x␛2E",
		"␛␛", "Icon␛0D", "␛7F", "a␛C3␛BC", "caf\xe9", "caf\xe9␛FF"} {
		if elem, _, ok := Unescape(name); ok {
			t.Errorf("Unescape(%q) = %q, want it refused", name, elem)
		}
	}
}

func TestUnescapeShadowed(t *testing.T) {
	elem, shadowed, ok := Unescape("a␛")
	if elem != "a" || !shadowed || !ok {
		t.Errorf("Unescape(a␛) = %q, %v, %v, want a, true, true", elem, shadowed, ok)
	}
}

func TestLongNamesStayApart(t *testing.T) {
	long := strings.Repeat("ä", 200)
	a, b := Escape(long+"1"), Escape(long+"2")
	if a == b || len(a) > MaxName || len(b) > MaxName || !isLong(a) {
		t.Fatalf("Escape of two long elements = %q and %q", a, b)
	}
	if c := EscapeShadowed(long + "1"); len(c) > MaxName || c == a || !utf8.ValidString(c) {
		t.Errorf("EscapeShadowed of a long element = %q", c)
	}
	if head, _, ok := LongHead(a); !ok || !strings.HasPrefix(long, head) || head == "" {
		t.Errorf("longHead(%q) = %q, %v", a, head, ok)
	}
}

// checkElem fails unless an element of a key has a name of its own, which leads back to it.
func checkElem(t interface{ Fatalf(string, ...any) }, elem string) {
	for _, show := range []func(string) string{Escape, EscapeShadowed} {
		name := show(elem)
		if !utf8.ValidString(name) || len(name) > MaxName || name == "" || name == "." ||
			name == ".." || strings.ContainsAny(name, "/\x00") {
			t.Fatalf("%q is shown as %q, which is no name", elem, name)
		}
		if IsName(elem) && len(elem) <= MaxName && Escape(elem) != elem {
			t.Fatalf("%q, which is a name, is shown as %q", elem, Escape(elem))
		}
	}
	if elem == "" {
		// The empty element with a directory of its name is the folder's own object, which is not
		// shown.
		return
	}
	for name, beside := range map[string]bool{Escape(elem): false, EscapeShadowed(elem): true} {
		if short := strings.TrimSuffix(name, escapeChar); isLong(short) {
			if head, _, ok := LongHead(name); !ok || !strings.HasPrefix(elem, head) ||
				!utf8.ValidString(head) {
				t.Fatalf("what begins with %q, %v, is to have %q, shown as %q", head,
					ok, elem, name)
			}
		} else if got, shadowed, ok := Unescape(name); !ok || got != elem || shadowed != beside {
			t.Fatalf("%q is shown as %q, which is %q, %v, %v", elem, name, got, shadowed, ok)
		}
	}
}

// checkName fails unless a name is nobody's, or that of the element that it stands for.
func checkName(t interface{ Fatalf(string, ...any) }, name string) {
	elem, beside, ok := Unescape(name)
	switch {
	case !ok:
	case beside && EscapeFull(elem)+escapeChar != name, !beside && EscapeFull(elem) != name:
		t.Fatalf("%q stands for %q, %v, which is shown as %q", name, elem, beside, EscapeFull(elem))
	}
	if IsName(name) && (!ok || elem != name || beside) {
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
		names := []string{Escape(a), EscapeShadowed(a), Escape(b), EscapeShadowed(b)}
		if a != b && (names[0] == names[2] || names[0] == names[3] ||
			names[1] == names[2] || names[1] == names[3]) {
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
			for _, name := range []string{Escape(elem), EscapeShadowed(elem)} {
				if other, ok := shown[name]; ok && other != elem {
					rt.Fatalf("%q and %q are both shown as %q", elem, other, name)
				}
				shown[name] = elem
			}
		}
	})
}
