package ui

import (
	"fmt"
	"io"
	"sync/atomic"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/s3share/s3share/cmd/s3share/internal/hint"
)

// barWidth is how wide a bar is at most, in columns.
const barWidth = 40

// oneBar is a progress bar with lines above it. Where there is no terminal it is the lines alone.
type oneBar struct {
	w        io.Writer
	label    func() string
	counters decor.Decorator
	bars     *mpb.Progress          // nil where there is no terminal, and once it has ended
	bar      *mpb.Bar               // nil until there is something to show
	rest     atomic.Pointer[string] // how fast it goes, and how long it takes
}

func newOneBar(w io.Writer, counters decor.Decorator, label func() string) *oneBar {
	b := &oneBar{w: w, label: label, counters: counters}
	if hint.WritesToTerminal(w) {
		b.bars = mpb.New(mpb.WithOutput(hint.RawWriter(w)))
	}
	return b
}

// bytesCounters shows how many bytes are done, of how many.
func bytesCounters() decor.Decorator { return decor.CountersKibiByte("% .1f / % .1f") }

// set shows how much is done, of how much.
func (b *oneBar) set(done, all int64) {
	if b.bars == nil {
		return
	}
	if b.bar == nil {
		b.bar = b.bars.AddBar(0, mpb.BarRemoveOnComplete(), mpb.BarWidth(barWidth),
			mpb.PrependDecorators(decor.Any(func(decor.Statistics) string { return b.label() })),
			mpb.AppendDecorators(b.counters, decor.Any(func(decor.Statistics) string {
				if rest := b.rest.Load(); rest != nil {
					return *rest
				}
				return ""
			})))
	}
	b.bar.SetTotal(all, false)
	b.bar.SetCurrent(done)
}

// pace shows how fast it goes, in bytes a second, and how long it takes for what is left.
func (b *oneBar) pace(left, speed int64) {
	rest := ""
	if speed > 0 {
		rest = "  " + speedText(speed)
	}
	if text := leftText(left, speed); text != "" {
		rest += "  " + text
	}
	b.rest.Store(&rest)
}

// Above is where text goes that is shown above the bar, until it has ended.
func (b *oneBar) Above() io.Writer {
	if b.bars != nil {
		return b.bars
	}
	return b.w
}

// Line prints a line, above the bar if there is one.
func (b *oneBar) Line(s string) {
	fmt.Fprintln(b.Above(), s)
}

// End takes the bar away.
func (b *oneBar) End() {
	if b.bars == nil {
		return
	}
	if b.bar != nil {
		b.bar.Abort(true)
	}
	b.bars.Wait()
	b.bars = nil
}

// CountBar shows on a terminal how far a count has come.
type CountBar struct{ *oneBar }

// NewCountBar returns a bar for a count, with label before it. The caller calls End.
func NewCountBar(w io.Writer, label string) CountBar {
	b := CountBar{newOneBar(w, decor.CountersNoUnit("%d / %d"), func() string { return label })}
	b.At(0)
	return b
}

// At shows n where the total is not known.
func (b CountBar) At(n int) { b.Set(n, n) }

// Set shows n of all.
func (b CountBar) Set(n, all int) { b.set(int64(n), int64(all)) }
