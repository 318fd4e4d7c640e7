package main

import (
	"fmt"
	"io"
	"os"

	"github.com/s3share/s3share/cmd/s3share/internal/hint"
)

// narrator tells people how the demo goes.
type narrator struct {
	out    io.Writer
	colour bool
}

// newNarrator returns a narrator that writes to out, in colours where those may be.
func newNarrator(out io.Writer) narrator { return narrator{out, colours(out)} }

// colours tells whether what goes to w may have colours; see no-color.org.
func colours(w io.Writer) bool {
	return hint.OnTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// The codes of ECMA-48, "select graphic rendition".
const (
	bold  = "1"
	red   = "31"
	green = "32"
)

func (n narrator) paint(code, s string) string {
	if !n.colour {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (n narrator) line(s string) { fmt.Fprintln(n.out, s) }

// lead prints a line that begins with a painted text.
func (n narrator) lead(code, s, rest string) {
	fmt.Fprintln(hint.Unguarded(n.out), n.paint(code, hint.OneLine(s))+hint.OneLine(rest))
}

func (n narrator) title(s string) { n.lead(bold, s, "") }

func (n narrator) fact(name, format string, args ...any) {
	n.line(fmt.Sprintf("  %-7s %s", name, hint.OneLine(fmt.Sprintf(format, args...))))
}

func (n narrator) step(said string, err error) {
	if err == nil {
		n.lead(green, "✓", " "+said)
		return
	}
	n.lead(red, "✗", " "+said)
	n.line("  but: " + hint.OneLine(err.Error()))
}
