package ui

import (
	"fmt"
	"io"
	"os"

	"github.com/s3share/s3share/cmd/s3share/internal/hint"
)

// Narrator tells people how the demo goes.
type Narrator struct {
	Out    io.Writer
	colour bool
}

// NewNarrator returns a narrator that writes to out, in colours where those may be.
func NewNarrator(out io.Writer) Narrator { return Narrator{out, colours(out)} }

// colours tells whether what goes to w may have colours; see no-color.org.
func colours(w io.Writer) bool {
	return hint.WritesToTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// The codes of ECMA-48, "select graphic rendition".
const (
	bold  = "1"
	red   = "31"
	green = "32"
)

func (n Narrator) paint(code, s string) string {
	if !n.colour {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (n Narrator) Line(s string) { fmt.Fprintln(n.Out, s) }

// lead prints a line that begins with a painted text.
func (n Narrator) lead(code, s, rest string) {
	fmt.Fprintln(hint.RawWriter(n.Out), n.paint(code, hint.OneLine(s))+hint.OneLine(rest))
}

func (n Narrator) Title(s string) { n.lead(bold, s, "") }

func (n Narrator) Fact(name, format string, args ...any) {
	n.Line(fmt.Sprintf("  %-7s %s", name, hint.OneLine(fmt.Sprintf(format, args...))))
}

func (n Narrator) Step(said string, err error) {
	if err == nil {
		n.lead(green, "✓", " "+said)
		return
	}
	n.lead(red, "✗", " "+said)
	n.Line("  but: " + hint.OneLine(err.Error()))
}
