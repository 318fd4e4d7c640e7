package ui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/s3share/s3share/cache"
	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/mounts"
)

const (
	// watchInterval lies between two looks.
	watchInterval = 500 * time.Millisecond
	// maxBars is how many files have a bar at once.
	maxBars = 10
)

// Watch shows what becomes of the files at places until ctx ends or all of their
// mounts have.
func Watch(ctx context.Context, places []control.Target, out io.Writer) error {
	w := NewWatcher(out)
	defer w.End()
	for _, p := range places {
		w.Show(p.State)
	}
	// Without a daemon, nothing changes.
	places = slices.DeleteFunc(places, func(p control.Target) bool { return p.Client == nil })
	var lost []error
	for len(places) > 0 {
		select {
		case <-ctx.Done():
			return errors.Join(lost...)
		case <-time.After(watchInterval):
		}
		places = slices.DeleteFunc(places, func(p control.Target) bool {
			st, err := p.Client.Waiting(ctx, p.Path)
			if err != nil {
				if ctx.Err() == nil {
					lost = append(lost, w.lost(p, err))
				}
				return true
			}
			w.became = func(paths []string) []control.FileState {
				return p.Client.Outcomes(ctx, paths)
			}
			w.Show(st)
			return false
		})
	}
	return errors.Join(lost...)
}

// Watcher prints a line for each change, and on a terminal bars below them.
type Watcher struct {
	out  io.Writer
	bars *mpb.Progress            // nil unless out is a terminal
	seen map[string]outbox.Status // by where the file is
	bar  map[string]*bar          // of those that have one
	now  func() time.Time
	// became says what became of paths that wait no more, each in its place.
	became func(paths []string) []control.FileState
}

// bar is the bar of one file. It is drawn beside the one who sets it.
type bar struct {
	*mpb.Bar
	speed atomic.Int64
}

func (b *bar) set(o outbox.Status) {
	b.speed.Store(o.Speed)
	b.SetTotal(max(o.Size, o.Sent+1), false) // a full bar would be taken away
	b.SetCurrent(o.Sent)
}

// NewWatcher returns a watcher that writes to out. The caller calls End.
func NewWatcher(out io.Writer) *Watcher {
	w := &Watcher{out: out, seen: map[string]outbox.Status{}, bar: map[string]*bar{}, now: time.Now,
		became: control.UnknownOutcomes}
	if hint.WritesToTerminal(out) {
		w.bars = mpb.New(mpb.WithOutput(hint.RawWriter(out)), mpb.WithWidth(40))
	}
	return w
}

// lost says that a mount's daemon answers no more: because the mount was undone, or for
// the reason that is returned.
func (w *Watcher) lost(p control.Target, err error) error {
	if m, merr := mounts.At(p.State.Dir); m == nil && merr == nil {
		st, err := control.ReadOutbox(p.State.StateDir)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf(
				"%s is no longer mounted, and it is not known what is left in its outbox: %w",
				hint.Printable(p.State.Dir), err)
		}
		for _, o := range control.Undelivered(st.Pending) {
			w.line("%s: not delivered, it stays in the outbox",
				hint.Printable(filepath.Join(p.State.Dir, o.Path)))
		}
		w.line("%s is no longer mounted", hint.Printable(p.State.Dir))
		return nil
	}
	return fmt.Errorf("cannot watch %s any more: %w", hint.Printable(p.State.Dir), err)
}

// Show takes in what waits at a mount now.
func (w *Watcher) Show(st control.State) {
	waits := map[string]bool{}
	for _, o := range st.Rows() {
		name := filepath.Join(st.Dir, o.Path)
		waits[name] = true
		was, known := w.seen[name]
		w.seen[name] = o
		if !known || changed(was, o) {
			w.line("%s: %s, %s", hint.Printable(name), StateText(o), detail(o))
		}
		w.draw(name, o)
	}
	var names, paths []string
	for name, was := range w.seen {
		if !waits[name] && mounts.Within(name, st.Dir) {
			names, paths = append(names, name), append(paths, was.Path)
		}
	}
	if len(names) == 0 {
		return
	}
	for i, became := range w.became(paths) {
		name := names[i]
		w.line("%s: %s", hint.Printable(name), outcomeText(w.seen[name], became))
		delete(w.seen, name)
		w.undraw(name)
	}
}

// outcomeText is what became of a file that waits no more. What was confirmed before it
// waited says nothing of that.
func outcomeText(was outbox.Status, became control.FileState) string {
	if became.At.Before(was.Since) {
		became.State = cache.Unknown
	}
	switch became.State {
	case cache.Delivered, cache.Removed:
		return string(became.State)
	case cache.Renamed:
		return "goes by another name now"
	}
	return "waits no more; what became of it is not known here"
}

// changed reports whether there is news for people: another state or reason, or a
// further tenth of the file at S3.
func changed(was, is outbox.Status) bool {
	return was.State != is.State || was.Code != is.Code || was.Reason != is.Reason ||
		is.State == outbox.Uploading && percent(was)/10 != percent(is)/10
}

// detail is what a line says of a file besides its state.
func detail(o outbox.Status) string {
	if o.Reason != "" {
		return hint.OneLine(o.Reason)
	}
	if o.Speed > 0 {
		return SizeText(o.Size) + ", " + speedText(o.Speed)
	}
	return SizeText(o.Size)
}

func (w *Watcher) line(format string, args ...any) {
	text := w.now().Format(time.TimeOnly) + " " + hint.OneLine(fmt.Sprintf(format, args...)) + "\n"
	if w.bars != nil {
		_, _ = w.bars.Write([]byte(text))
		return
	}
	_, _ = io.WriteString(w.out, text)
}

// draw gives a file that is on its way a bar.
func (w *Watcher) draw(name string, o outbox.Status) {
	b := w.bar[name]
	if w.bars == nil || o.State != outbox.Uploading {
		w.undraw(name)
		return
	}
	if b == nil {
		if len(w.bar) == maxBars {
			return
		}
		b = &bar{}
		b.Bar = w.bars.AddBar(o.Size,
			mpb.PrependDecorators(decor.Name(tail(hint.Printable(filepath.Base(name)), 30),
				decor.WCSyncSpaceR)),
			mpb.AppendDecorators(
				decor.CountersKibiByte("% .1f / % .1f", decor.WCSyncSpace),
				decor.Any(func(decor.Statistics) string {
					return speedText(b.speed.Load())
				}, decor.WCSyncSpace)))
		w.bar[name] = b
	}
	b.set(o)
}

func (w *Watcher) undraw(name string) {
	if b := w.bar[name]; b != nil {
		b.Abort(true)
		delete(w.bar, name)
	}
}

// End takes the bars away.
func (w *Watcher) End() {
	for name := range w.bar {
		w.undraw(name)
	}
	if w.bars != nil {
		w.bars.Wait()
	}
}

// tail is the end of a name that is too long to be shown.
func tail(name string, most int) string {
	r := []rune(name)
	if len(r) <= most {
		return name
	}
	return "…" + strings.TrimSpace(string(r[len(r)-most+1:]))
}
