package hint

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestWhatCannotBeSeenIsShownAsAnEscape(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"plain, Ünïcode, 日本語, ☀, 👍, ␛, a b", "plain, Ünïcode, 日本語, ☀, 👍, ␛, a b"},
		{"\x1b[31mred\x1b[0m", `\u001b[31mred\u001b[0m`},
		{"\x1b]0;title\x07", `\u001b]0;title\u0007`},
		{"over\rwritten", `over\rwritten`},
		{"two\nlines\tand a tab", `two\nlines\tand a tab`},
		{"\b\v\f\x00\x7f", `\u0008\u000b\u000c\u0000\u007f`},
		{"\u009b31m \u0085 \u0090", `\u009b31m \u0085 \u0090`}, // C1
		{"\x9b31m\xff", `\x9b31m\xff`},                         // the same, in one byte: no UTF-8
		{"invoice\u202egpj.exe", `invoice\u202egpj.exe`},
		{"\u202a\u202b\u202c\u202d\u2066\u2067\u2068\u2069\u200e\u200f\u061c", `\u202a\u202b\u202c\u202d\u2066\u2067\u2068\u2069\u200e\u200f\u061c`},
		{"a\u200bb\u200cc\u200dd\u2060e\ufeff", `a\u200bb\u200cc\u200dd\u2060e\ufeff`},
		{"soft\u00adhyphen\u034f\u115f\u1160\u3164\uffa0\u180e\ufe0f", `soft\u00adhyphen\u034f\u115f\u1160\u3164\uffa0\u180e\ufe0f`},
		{"\u2028\u2029", `\u2028\u2029`},
		{"tag \U000e0041 \U000e0100", `tag \udb40\udc41 \udb40\udd00`},
		{"\ue000\ufdd0", `\ue000\ufdd0`}, // private use, and no character at all
	} {
		if got := Printable(tt.text); got != tt.want {
			t.Errorf("printable(%q) = %s, want %s", tt.text, got, tt.want)
		}
		if again := Printable(tt.want); again != tt.want {
			t.Errorf("what is visible, %s, became %s", tt.want, again)
		}
	}
	if got := OneLine("first\r\nsecond\n\nthird\x1b"); got != `first second third\u001b` {
		t.Errorf("oneLine: %s", got)
	}
}

func TestTheGuardKeepsLinesAndColumns(t *testing.T) {
	var out bytes.Buffer
	g := EscapingWriter(&out)
	if EscapingWriter(g) != g || RawWriter(g) != &out {
		t.Error("there is a second escaping writer before the first")
	}
	const text = "a\tb\n日本\x1b[2J\r\n"
	// Characters come in pieces.
	for i := range len(text) {
		if n, err := g.Write([]byte{text[i]}); n != 1 || err != nil {
			t.Fatal(n, err)
		}
	}
	if want := "a\tb\n日本\\u001b[2J\\r\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

// FuzzGuard: whatever is written, in one piece or in two, nothing comes out that is
// hidden, and JSON means what it did.
func FuzzGuard(f *testing.F) {
	for _, s := range []string{"\x1b[31m", "\u202e\u200b", "\xe2\x80", "\xf0\x9f\x91",
		"a\nb\r\tc", "\U000e0041"} {
		f.Add(s, 1)
	}
	f.Fuzz(func(t *testing.T, s string, cut int) {
		if cut < 0 || cut > len(s) {
			cut = len(s)
		}
		var out bytes.Buffer
		g := EscapingWriter(&out)
		for _, part := range []string{s[:cut], s[cut:], "."} {
			if _, err := g.Write([]byte(part)); err != nil {
				t.Fatal(err)
			}
		}
		for _, r := range out.String() {
			if NeedsEscape(r) && r != '\n' && r != '\t' {
				t.Errorf("%q came out as %q", s, out.String())
			}
		}
		if got := Printable(s); !utf8.ValidString(got) ||
			strings.ContainsFunc(got, NeedsEscape) || Printable(got) != got {
			t.Errorf("printable(%q) = %q", s, got)
		}
		out.Reset()
		if err := json.NewEncoder(g).Encode(s); err != nil {
			t.Fatal(err)
		}
		var plain, back string
		text, _ := json.Marshal(s)
		if json.Unmarshal(text, &plain) != nil ||
			json.Unmarshal(bytes.TrimPrefix(out.Bytes(), []byte(".")), &back) != nil ||
			plain != back {
			t.Errorf("%q is %q as JSON", s, out.String())
		}
	})
}
