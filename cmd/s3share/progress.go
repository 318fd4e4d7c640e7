package main

import (
	"fmt"
	"io"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// progress shows how a delivery goes on: a bar on a terminal, else a line.
type progress struct {
	w     io.Writer
	bars  *mpb.Progress // nil unless w is a terminal
	bar   *mpb.Bar      // nil until there is something to show
	label string
	most  int64 // bytes: the greatest total seen, since what is delivered is not listed
	said  bool
	why   string // what was said of why nothing is delivered
}

func newProgress(w io.Writer) *progress {
	p := &progress{w: w}
	if onTerminal(w) {
		p.bars = mpb.New(mpb.WithOutput(unguarded(w)), mpb.WithWidth(40))
	}
	return p
}

// show takes the next event in.
func (p *progress) show(e event) {
	if e.Files == 0 && p.bar == nil {
		return
	}
	p.label = fmt.Sprintf("delivering %s", count(e.Files, "file"))
	if e.Waiting != p.why {
		if p.why = e.Waiting; p.why != "" {
			p.line(fmt.Sprintf("s3share: note: nothing is delivered at present: %s", oneLine(p.why)))
		}
	}
	if p.bars == nil {
		if !p.said {
			fmt.Fprintf(p.w, "%s, %s\n", p.label, sizeText(e.Bytes-e.Sent))
			p.said = true
		}
		return
	}
	if p.bar == nil {
		p.bar = p.bars.AddBar(0,
			mpb.BarRemoveOnComplete(),
			mpb.PrependDecorators(decor.Any(func(decor.Statistics) string { return p.label })),
			mpb.AppendDecorators(decor.CountersKibiByte("% .1f / % .1f")))
	}
	p.most = max(p.most, e.Bytes-e.Sent)
	p.bar.SetTotal(p.most, false)
	p.bar.SetCurrent(p.most - (e.Bytes - e.Sent))
}

// line prints a line, above the bar if there is one.
func (p *progress) line(s string) {
	w := p.w
	if p.bars != nil {
		w = p.bars
	}
	fmt.Fprintln(w, s)
}

// end takes the bar away.
func (p *progress) end() {
	if p.bar != nil {
		p.bar.Abort(true)
	}
	if p.bars != nil {
		p.bars.Wait()
	}
}

// count is n of something, in words.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
