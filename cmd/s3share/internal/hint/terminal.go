package hint

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// Names, reasons and policies are the other party's words, or a server's, or another
// user's: a terminal must take none of them for a command, and a reader for nothing
// that is not there. So all that is printed goes through a [guard], which shows control
// characters, and those that cannot be seen or that turn the direction of writing, as
// escapes. The escapes are those of JSON too, so that JSON stays what it is.

// Visible is text as it can be shown on one line.
func Visible(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return Hidden(r) || r == utf8.RuneError }) < 0 {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		writeVisible(&b, r, s[:n])
		s = s[n:]
	}
	return b.String()
}

// writeVisible writes a character, whose bytes are text, as it can be shown.
func writeVisible(b *strings.Builder, r rune, text string) {
	switch {
	case r == utf8.RuneError && len(text) == 1:
		fmt.Fprintf(b, `\x%02x`, text[0])
	case !Hidden(r):
		b.WriteString(text)
	case r == '\n':
		b.WriteString(`\n`)
	case r == '\r':
		b.WriteString(`\r`)
	case r == '\t':
		b.WriteString(`\t`)
	case r > 0xffff: // as UTF-16 has it
		r -= 0x10000
		fmt.Fprintf(b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
	default:
		fmt.Fprintf(b, `\u%04x`, r)
	}
}

// Hidden reports whether a character cannot be seen by itself: control and format
// characters, line separators, what has no meaning, and what Unicode has be ignored
// where it is not known. Source: Unicode Standard Annex #44, "General_Category" and
// "Default_Ignorable_Code_Point".
func Hidden(r rune) bool {
	if r < utf8.RuneSelf {
		return r < ' ' || r == 0x7f
	}
	return !unicode.IsGraphic(r) && !unicode.Is(unicode.Prepended_Concatenation_Mark, r) ||
		unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// Printable is a name as people are shown it.
func Printable(name string) string { return Visible(name) }

// OneLine keeps a sentence on its line, whatever a server put into it.
func OneLine(s string) string {
	return Visible(strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), " "))
}

// guard passes on what can be shown, line feeds and tabs, and everything else as
// escapes. It is safe for concurrent use.
type guard struct {
	w io.Writer

	mu   sync.Mutex
	held string // the begin of a character whose end has not come
}

// Guarded is a guard before w.
func Guarded(w io.Writer) io.Writer {
	if _, ok := w.(*guard); ok {
		return w
	}
	return &guard{w: w}
}

// Unguarded is what lies behind a guard: for what this program itself tells a
// terminal.
func Unguarded(w io.Writer) io.Writer {
	if g, ok := w.(*guard); ok {
		return g.w
	}
	return w
}

func (g *guard) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	text := g.held + string(p)
	var b strings.Builder
	for text != "" && utf8.FullRuneInString(text) {
		r, n := utf8.DecodeRuneInString(text)
		if r == '\n' || r == '\t' {
			b.WriteByte(text[0])
		} else {
			writeVisible(&b, r, text[:n])
		}
		text = text[n:]
	}
	g.held = text
	if _, err := io.WriteString(g.w, b.String()); err != nil {
		return 0, err
	}
	return len(p), nil
}

func OnTerminal(w io.Writer) bool {
	f, ok := Unguarded(w).(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// FromTerminal reports whether a person can be asked.
func FromTerminal(stdin io.Reader) bool {
	f, ok := stdin.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// ShellWord is a word as a shell takes it.
func ShellWord(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-./:@%+,=", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
