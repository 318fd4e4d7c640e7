package ui

import (
	"io"
	"strings"

	"github.com/mattn/go-runewidth"

	"github.com/s3share/s3share/cmd/s3share/internal/hint"
)

// screen is what is known of where text for people goes.
type screen struct {
	// width is in columns; 0 for no limit, so that a script finds names and reasons complete.
	width  int
	colour bool
}

func screenOf(w io.Writer) screen { return screen{hint.TerminalWidth(w), colours(w)} }

// Span is a text in one colour; Code is "" for none.
type Span struct{ Code, Text string }

// Page is text that is made to fit a screen. Control characters in what it is given are
// escaped: the only ones in the text are its own.
type Page struct {
	screen
	text strings.Builder
}

// NewPage returns an empty page for what w is.
func NewPage(w io.Writer) *Page { return &Page{screen: screenOf(w)} }

// PageOf returns an empty page of so many columns, without colours.
func PageOf(width int) *Page { return &Page{screen: screen{width: width}} }

// String is the text.
func (p *Page) String() string { return p.text.String() }

// columns measures text as terminals show it, whatever the locale is.
var columns = &runewidth.Condition{StrictEmojiNeutral: true}

func (p *Page) paint(s Span) string {
	if p.colour && s.Code != "" && s.Text != "" {
		return "\x1b[" + s.Code + "m" + s.Text + "\x1b[0m"
	}
	return s.Text
}

// Line adds a line of words, broken where the screen ends. What follows the first line is
// indented by two columns more.
func (p *Page) Line(indent int, spans ...Span) {
	p.text.WriteString(strings.Repeat(" ", indent))
	at, first := indent, true
	for _, s := range spans {
		for i, word := range strings.Split(hint.OneLine(s.Text), " ") {
			n := columns.StringWidth(word)
			switch {
			case i == 0 || first:
			case p.width > 0 && at+1+n > p.width:
				p.text.WriteString("\n" + strings.Repeat(" ", indent+2))
				at = indent + 2
			default:
				p.text.WriteString(" ")
				at++
			}
			p.text.WriteString(p.paint(Span{s.Code, word}))
			at, first = at+n, false
		}
	}
	p.text.WriteString("\n")
}

// Verbatim adds text as it is, such as JSON that is to be copied.
func (p *Page) Verbatim(text string) {
	for line := range strings.Lines(text) {
		p.text.WriteString(hint.Printable(strings.TrimRight(line, "\n")) + "\n")
	}
}

// minName is how many columns the first column of a table has at least: others are left out
// before.
const minName = 16

// table adds rows in columns. Columns in which all is empty are left out. Where the screen is
// too narrow the first one is shortened, unless it is to be whole, and then the last ones are
// left out.
func (p *Page) table(indent int, rows [][]string, whole bool) {
	var used []int // columns
	width := map[int]int{}
	for _, row := range rows {
		for c, cell := range row {
			row[c] = hint.OneLine(cell)
			if n := columns.StringWidth(row[c]); n > width[c] {
				width[c] = n
			}
		}
	}
	for c := 0; len(rows) > 0 && c < len(rows[0]); c++ {
		if c == 0 || width[c] > 0 {
			used = append(used, c)
		}
	}
	for p.width > 0 {
		rest := indent
		for _, c := range used[1:] {
			rest += 2 + width[c]
		}
		if rest+width[0] <= p.width {
			break
		}
		if left := p.width - rest; left >= minName && !whole || len(used) == 1 {
			if !whole {
				width[0] = max(left, minName/2)
			}
			break
		}
		used = used[:len(used)-1]
	}
	for _, row := range rows {
		var line strings.Builder
		line.WriteString(strings.Repeat(" ", indent))
		for i, c := range used {
			cell := row[c]
			if i > 0 {
				line.WriteString("  ")
			} else {
				cell = shortened(cell, width[0])
			}
			line.WriteString(cell + strings.Repeat(" ", max(0, width[c]-columns.StringWidth(cell))))
		}
		p.text.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}

// shortened is the end of a text that is too long: of a path, the file's name.
func shortened(s string, width int) string {
	if columns.StringWidth(s) <= width {
		return s
	}
	r := []rune(s)
	for columns.StringWidth(string(r)) > width-1 && len(r) > 0 {
		r = r[1:]
	}
	return "…" + string(r)
}

// Flush writes the text to w.
func (p *Page) Flush(w io.Writer) error {
	_, err := io.WriteString(hint.RawWriter(w), p.text.String())
	return err
}
