package integration

import (
	"fmt"
	"strings"
	"sync/atomic"
	"time"
)

// tracer notes what a sequence does, for whoever has to find out why it failed.
type tracer struct {
	begun time.Time
	trace []traced
	at    int          // the step
	does  map[int]bool // steps of which a call succeeded
	stuck atomic.Bool  // the daemon was killed since it answered nothing
}

func newTracer() *tracer { return &tracer{begun: time.Now(), does: map[int]bool{}} }

// failure is a difference that nothing documents.
type failure struct {
	kind string // what shrinking keeps
	text string
	did  sequence // the steps that did something
}

// fail ends the run with a finding.
func (t *tracer) fail(kind, format string, args ...any) {
	panic(&failure{kind: kind, text: fmt.Sprintf(format, args...)})
}

// traced is a line of what was done, in a step.
type traced struct {
	at   int
	line string
}

// note adds a line to the trace.
func (t *tracer) note(format string, args ...any) {
	t.trace = append(t.trace, traced{t.at,
		fmt.Sprintf("%8.3f ", time.Since(t.begun).Seconds()) + fmt.Sprintf(format, args...)})
}

// traceText is what was done, without the steps that did nothing; the last of it.
func (t *tracer) traceText() string {
	const most = 120
	var lines []string
	for _, l := range t.trace {
		if t.does[l.at] || l.at == t.at {
			lines = append(lines, l.line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-most):], "\n")
}

func tookText(d time.Duration) string {
	if d < 50*time.Millisecond {
		return ""
	}
	return fmt.Sprintf(" (%s)", d.Round(time.Millisecond))
}
