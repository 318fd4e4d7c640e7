package ui

import (
	"fmt"
	"io"

	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
)

// Progress shows how a delivery goes on: a bar on a terminal, else a line.
type Progress struct {
	*oneBar
	label    string
	maxBytes int64 // bytes: the greatest total seen, since what is delivered is not listed
	printed  bool
	why      string // what was said of why nothing is delivered
}

// NewProgress returns a bar that writes to w. The caller calls End.
func NewProgress(w io.Writer) *Progress {
	p := &Progress{}
	p.oneBar = newOneBar(w, bytesCounters(), func() string { return p.label })
	return p
}

// Show takes the next event in.
func (p *Progress) Show(e control.Event) {
	if e.Files == 0 && p.bar == nil {
		return
	}
	p.label = fmt.Sprintf("delivering %s", Count(e.Files, "file"))
	if e.Waiting != p.why {
		if p.why = e.Waiting; p.why != "" {
			p.Line(fmt.Sprintf("s3share: note: nothing is delivered at present: %s", hint.OneLine(p.why)))
		}
	}
	if p.bars == nil {
		if !p.printed {
			fmt.Fprintf(p.w, "%s, %s\n", p.label, SizeText(e.Bytes-e.Sent))
			p.printed = true
		}
		return
	}
	p.maxBytes = max(p.maxBytes, e.Bytes-e.Sent)
	p.set(p.maxBytes-(e.Bytes-e.Sent), p.maxBytes)
}

// Count is n of something, in words.
func Count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
