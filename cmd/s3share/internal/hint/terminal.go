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

// The other party, a server or another user wrote the names, reasons and policies that are
// printed. No terminal may run them as commands, and no reader may be misled by them. So
// everything goes through an [escapingWriter]. It writes control characters, invisible
// characters and those that change the writing direction as escapes. JSON has the same
// escapes, so JSON that passes through stays the same.

// Printable returns s on one line, with every character escaped that [NeedsEscape] reports.
// A byte that is not UTF-8 becomes \xNN.
func Printable(s string) string {
	if strings.IndexFunc(s,
		func(r rune) bool { return NeedsEscape(r) || r == utf8.RuneError }) < 0 {
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

// writeVisible writes the character r, whose bytes are text, escaped if need be.
func writeVisible(b *strings.Builder, r rune, text string) {
	switch {
	case r == utf8.RuneError && len(text) == 1:
		fmt.Fprintf(b, `\x%02x`, text[0])
	case !NeedsEscape(r):
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

// NeedsEscape reports whether r is invisible or changes how other text is shown: control
// and format characters, line separators, unassigned characters, and those that Unicode
// says to ignore where they are not supported. Source: Unicode Standard Annex #44,
// "General_Category" and "Default_Ignorable_Code_Point".
func NeedsEscape(r rune) bool {
	if r < utf8.RuneSelf {
		return r < ' ' || r == 0x7f
	}
	return !unicode.IsGraphic(r) && !unicode.Is(unicode.Prepended_Concatenation_Mark, r) ||
		unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// OneLine returns s like [Printable], with line ends as blanks: for a sentence that may
// contain the text of a server.
func OneLine(s string) string {
	return Printable(strings.Join(strings.FieldsFunc(s,
		func(r rune) bool { return r == '\n' || r == '\r' }), " "))
}

// escapingWriter passes visible characters, line feeds and tabs on to w, and everything
// else as escapes. It is safe for concurrent use.
type escapingWriter struct {
	w io.Writer

	mu      sync.Mutex
	partial string // the first bytes of a character whose other bytes have not come yet
	err     error  // of the first write that failed
}

// EscapingWriter returns a writer that passes text on to w, with every character escaped
// that [NeedsEscape] reports, but for line feeds and tabs. It is safe for concurrent use.
// An EscapingWriter it returns as it is.
func EscapingWriter(w io.Writer) io.Writer {
	if _, ok := w.(*escapingWriter); ok {
		return w
	}
	return &escapingWriter{w: w}
}

// RawWriter returns the writer below an [EscapingWriter], else w: for colours and progress
// bars, which are escape sequences that s3share itself sends to a terminal.
func RawWriter(w io.Writer) io.Writer {
	if e, ok := w.(*escapingWriter); ok {
		return e.w
	}
	return w
}

// Write implements [io.Writer].
func (e *escapingWriter) Write(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	text := e.partial + string(p)
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
	e.partial = text
	if _, err := io.WriteString(e.w, b.String()); err != nil {
		if e.err == nil {
			e.err = err
		}
		return 0, err
	}
	return len(p), nil
}

// WriteError returns the error of the first write to w, an [EscapingWriter], that failed.
func WriteError(w io.Writer) error {
	e, ok := w.(*escapingWriter)
	if !ok {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.err
}

// WritesToTerminal reports whether w, or the writer below an [EscapingWriter], is a terminal.
func WritesToTerminal(w io.Writer) bool {
	f, ok := RawWriter(w).(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// TerminalWidth returns how many columns the terminal has that w writes to: 0 if it is none.
func TerminalWidth(w io.Writer) int {
	f, ok := RawWriter(w).(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
		return width
	}
	return 80
}

// ReadsFromTerminal reports whether stdin is a terminal, so that a person can answer.
func ReadsFromTerminal(stdin io.Reader) bool {
	f, ok := stdin.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// ShellQuote returns s as one word for a POSIX shell, in quotes if it needs them.
func ShellQuote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' ||
			strings.ContainsRune("_-./:@%+,=", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
