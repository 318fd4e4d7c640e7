package ui

import (
	"fmt"
	"io"
	"os"

	"github.com/s3share/s3share/cmd/s3share/internal/hint"
)

// Printer prints the steps and facts of demo, init and join for people.
type Printer struct {
	Out    io.Writer
	colour bool
}

// NewPrinter returns a printer to out, with colours if out is a terminal that may have them.
func NewPrinter(out io.Writer) Printer { return Printer{out, colours(out)} }

// colours reports whether text to w may have colours; see no-color.org.
func colours(w io.Writer) bool {
	return hint.WritesToTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// The codes of ECMA-48, "select graphic rendition", for a [Span].
const (
	Bold   = "1"
	Red    = "31"
	Green  = "32"
	Yellow = "33"
)

func (n Printer) paint(code, s string) string {
	if !n.colour {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// Line prints s on a line of its own.
func (n Printer) Line(s string) { fmt.Fprintln(n.Out, s) }

// paintedLine prints a line that begins with a painted text.
func (n Printer) paintedLine(code, s, rest string) {
	fmt.Fprintln(hint.RawWriter(n.Out), n.paint(code, hint.OneLine(s))+hint.OneLine(rest))
}

// Title prints a heading.
func (n Printer) Title(s string) { n.paintedLine(Bold, s, "") }

// Fact prints a name and a value, in columns.
func (n Printer) Fact(name, format string, args ...any) {
	n.Line(fmt.Sprintf("  %-7s %s", name, hint.OneLine(fmt.Sprintf(format, args...))))
}

// Step prints what a step has done, and the error if it failed.
func (n Printer) Step(said string, err error) {
	if err == nil {
		n.paintedLine(Green, "✓", " "+said)
		return
	}
	n.paintedLine(Red, "✗", " "+said)
	n.Line("  but: " + hint.OneLine(err.Error()))
}
