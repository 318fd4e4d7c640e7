package ui

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
)

// Progress shows on a terminal how a delivery goes on: one bar for all files.
type Progress struct {
	*oneBar
	label string
	// maxBytes is the greatest total seen: the daemon of an earlier version does not count what is
	// delivered.
	maxBytes int64
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
	p.label = "delivering " + Count(e.Files, "file")
	if all := e.Files + e.Done; e.Done > 0 {
		p.label = fmt.Sprintf("delivered %d of %s", e.Done, Count(all, "file"))
	}
	if e.Waiting != p.why {
		if p.why = e.Waiting; p.why != "" {
			p.Line(fmt.Sprintf("s3share: note: nothing is delivered at present: %s",
				hint.OneLine(p.why)))
		}
	}
	waits := max(0, e.Bytes-e.Sent-e.InFlight)
	p.maxBytes = max(p.maxBytes, e.DoneBytes+e.Bytes)
	p.pace(waits, e.Speed)
	p.set(p.maxBytes-waits, p.maxBytes)
}

// PrintDelivered ends a delivery with one line: nothing where nothing was to be delivered.
func PrintDelivered(out io.Writer, files int, bytes int64, took time.Duration) {
	if files > 0 {
		fmt.Fprintln(out, MovedText(files, bytes, "delivered", took))
	}
}

// MovedText says how much was moved, in which time. past is the verb, such as "fetched".
func MovedText(files int, bytes int64, past string, took time.Duration) string {
	return fmt.Sprintf("%s, %s %s in %s", Count(files, "file"),
		SizeText(bytes), past, tookText(took))
}

// RepairedText says how many objects were repaired, of how many.
func RepairedText(objects, all int, bytes int64, took time.Duration) string {
	what := Count(objects, "object")
	if objects < all {
		what = fmt.Sprintf("%d of %s", objects, Count(all, "object"))
	}
	return fmt.Sprintf("%s, %s repaired in %s", what, SizeText(bytes), tookText(took))
}

func tookText(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	if d < 2*time.Minute {
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// Count is n of something, in words.
func Count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	if stem, ok := strings.CutSuffix(what, "y"); ok {
		return fmt.Sprintf("%d %sies", n, stem)
	}
	return fmt.Sprintf("%d %ss", n, what)
}
