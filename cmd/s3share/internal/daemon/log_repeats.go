package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/s3share/s3share/s3backend"
)

const (
	// repeatWindow is how long a line is not logged again.
	repeatWindow = time.Hour
	// maxRepeats bounds how many lines are remembered. Of those above it the oldest is
	// forgotten, which is at most logged more often.
	maxRepeats = 20_000
)

// repeats is a handler that logs a failure once an hour: what repeats it is counted, and the
// next line of the kind, or one at the end of the hour, has the count as "repeated". Two
// lines are the same if all but their times and durations is; of an error of S3 what
// counts is its kind, since its text has the ID of the request. Lines for debugging, and
// those of no failure, are all logged.
type repeats struct {
	slog.Handler
	prefix string // attributes and groups of the logger
	lines  *repeatedLines
}

// repeatedLines are the lines of the last hour, shared by all handlers of a log.
type repeatedLines struct {
	mu     sync.Mutex
	byText map[string]*repeatedLine
	oldest []*repeatedLine // by first, the oldest first
	now    func() time.Time
}

// repeatedLine is a line that was logged, and how often it came again.
type repeatedLine struct {
	text    string
	first   time.Time
	handler slog.Handler
	last    slog.Record
	count   int
}

func newRepeats(h slog.Handler) *repeats {
	return &repeats{Handler: h,
		lines: &repeatedLines{byText: map[string]*repeatedLine{}, now: time.Now}}
}

// Handle logs a record, or counts it.
func (r *repeats) Handle(ctx context.Context, rec slog.Record) error {
	if !failure(rec) {
		return r.Handler.Handle(ctx, rec)
	}
	text := r.prefix + textOf(rec)
	l := r.lines
	l.mu.Lock()
	ended := l.endedLocked(l.now().Add(-repeatWindow))
	if line := l.byText[text]; line != nil {
		line.count++
		line.last = rec.Clone()
		l.mu.Unlock()
		return logRepeats(ctx, ended)
	}
	line := &repeatedLine{text: text, first: l.now(), handler: r.Handler}
	l.byText[text] = line
	l.oldest = append(l.oldest, line)
	l.mu.Unlock()
	return errors.Join(logRepeats(ctx, ended), r.Handler.Handle(ctx, rec))
}

// failure reports whether a record is a warning, or has an error.
func failure(rec slog.Record) bool {
	if rec.Level >= slog.LevelWarn {
		return true
	}
	if rec.Level < slog.LevelInfo {
		return false
	}
	failed := false
	rec.Attrs(func(a slog.Attr) bool {
		_, failed = a.Value.Any().(error)
		return !failed
	})
	return failed
}

// endedLocked forgets the lines that were logged before that time, and what is above
// maxRepeats. It returns those that were repeated.
func (l *repeatedLines) endedLocked(before time.Time) []*repeatedLine {
	n := 0
	for n < len(l.oldest) && (l.oldest[n].first.Before(before) || len(l.oldest)-n >= maxRepeats) {
		delete(l.byText, l.oldest[n].text)
		n++
	}
	ended := slices.Clone(l.oldest[:n])
	l.oldest = slices.Delete(l.oldest, 0, n)
	return slices.DeleteFunc(ended, func(line *repeatedLine) bool { return line.count == 0 })
}

// logRepeats logs the last of each, with the count.
func logRepeats(ctx context.Context, ended []*repeatedLine) error {
	var errs []error
	for _, line := range ended {
		line.last.AddAttrs(slog.Int("repeated", line.count))
		errs = append(errs, line.handler.Handle(ctx, line.last))
	}
	return errors.Join(errs...)
}

// flush logs the counts that were not logged yet.
func (r *repeats) flush() {
	l := r.lines
	l.mu.Lock()
	ended := l.endedLocked(l.now().Add(time.Nanosecond))
	l.mu.Unlock()
	_ = logRepeats(context.Background(), ended)
}

// WithAttrs is of slog.Handler.
func (r *repeats) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &repeats{r.Handler.WithAttrs(attrs), r.prefix + textOfAttrs(attrs), r.lines}
}

// WithGroup is of slog.Handler.
func (r *repeats) WithGroup(name string) slog.Handler {
	return &repeats{r.Handler.WithGroup(name), r.prefix + name + "{", r.lines}
}

// textOf returns the text by which records are compared.
func textOf(rec slog.Record) string {
	var attrs []slog.Attr
	rec.Attrs(func(a slog.Attr) bool {
		attrs = append(attrs, a)
		return true
	})
	return fmt.Sprintf("%d %q%s", rec.Level, rec.Message, textOfAttrs(attrs))
}

func textOfAttrs(attrs []slog.Attr) string {
	var b strings.Builder
	for _, a := range attrs {
		switch v := a.Value.Resolve(); v.Kind() {
		case slog.KindDuration, slog.KindTime:
		default:
			fmt.Fprintf(&b, " %s=%q", a.Key, textOfValue(v.Any()))
		}
	}
	return b.String()
}

func textOfValue(v any) string {
	err, ok := v.(error)
	var s3 *s3backend.Error
	if !ok || !errors.As(err, &s3) {
		return fmt.Sprint(v)
	}
	return fmt.Sprint(s3.Op, s3.Key, s3.Kind, s3.Lost)
}
