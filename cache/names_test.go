package cache

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestEscape(t *testing.T) {
	for _, c := range []struct{ elem, name string }{
		{"q3.csv", "q3.csv"},
		{"100% übrig", "100% übrig"},
		{"", "␛"},
		{".", "␛2E"},
		{"..", "␛2E␛2E"},
		{"...", "..."},
		{"a\x00b\n", "a␛00b␛0A"},
		{"a\xffb", "a␛FFb"},
		{"50␛", "50␛E2␛90␛9B"},
		{"\x7f", "␛7F"},
		{"�", "�"},
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
	for _, name := range []string{"␛61", "a␛0", "a␛zz", "␛2e", "x␛2E", "␛␛"} {
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

func FuzzEscape(f *testing.F) {
	for _, s := range []string{"", ".", "..", "a␛", "\x00", "a\xc3", strings.Repeat("x", 300)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, elem string) {
		if strings.Contains(elem, "/") {
			t.Skip("an element holds no slash")
		}
		name := escape(elem)
		if !utf8.ValidString(name) || len(name) > maxName || name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
			t.Fatalf("escape(%q) = %q is no name", elem, name)
		}
		if got, _, ok := unescape(name); !isLong(name) && (!ok || got != elem) {
			t.Fatalf("unescape(escape(%q)) = %q, %v", elem, got, ok)
		}
	})
}
