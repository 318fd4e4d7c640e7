// Package watch reports what changes in an exchange: it lists the bucket repeatedly, and reports
// each object that was created, changed or removed once, even if a process is killed meanwhile.
//
// [Run] is the process that watches. It compares each listing with a cursor in the state directory
// (package cache/changes), and leaves out what this machine has sent itself and what cannot be read
// yet. A separate process, the teller ([RunTeller]), reports the events: it prints them or runs a
// command.
package watch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/s3share/s3share/cache"
	"github.com/s3share/s3share/cache/changes"
	"github.com/s3share/s3share/cache/privatedir"
	"github.com/s3share/s3share/cache/privatename"
	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
	"github.com/s3share/s3share/s3backend"
)

// Config says what is watched, and how it is told.
type Config struct {
	Bucket   s3backend.Finder
	Target   config.Destination
	Prefixes []string // of the keys that are watched, each with a slash at its end
	Owner    string   // how listings name the bucket's owner, "" if that is not known
	StateDir string
	ID       string // of the bucket: the state directory may be used for others too
	NotesDir string // the directory of put's notes
	NotesID  string // of the bucket, in those
	Cursor   string // the cursor's name, "" for the usual one
	Private  *privatename.Patterns
	Mount    string // the mountpoint; "" tells paths below it, whether it is mounted or not

	Own      bool // tell also what this machine has sent
	Existing bool // a new cursor tells also what is there already
	Once     bool
	Interval time.Duration // between looks; more if they take more than one request a second
	Exec     []string      // the command; empty to print
	JSON     bool
	Errs     io.Writer // for notes

	start func(h hello, cursor, lock *os.File) (teller, error) // startTeller, but in tests
	// shown is awaitShown, but in tests.
	shown func(ctx context.Context, dir, path, etag string, deadline time.Time) error
}

// watcher is the process that watches.
type watcher struct {
	Config
	dir    *privatedir.Dir
	lock   *os.File // that one watch has
	busy   *os.File // that the tellers have as well
	cursor *changes.Cursor
	own    *own

	failed  map[string]delayed         // events that the command has refused
	held    map[string]delayed         // events whose objects cannot be read
	refused int                        // events that the command has refused in this look
	unshown map[string]changes.Version // versions that the mount has not shown in time
	until   time.Time                  // how long this look waits for that
	noted   string                     // the last note about what keeps all events back
	pages   int                        // of the last listing
}

// Run watches until the context ends, or looks once. It returns nil when the context ends, unless
// it looks once.
func Run(ctx context.Context, cfg Config) error {
	if cfg.start == nil {
		cfg.start = startTeller
	}
	if cfg.shown == nil {
		cfg.shown = awaitShown
	}
	w := &watcher{Config: cfg, failed: map[string]delayed{}, held: map[string]delayed{},
		unshown: map[string]changes.Version{}}
	w.own = &own{
		stateDir: cfg.StateDir, notesDir: cfg.NotesDir, notesID: cfg.NotesID, private: cfg.Private,
		mounts: cache.NewOwnVersions(cfg.StateDir), waiting: map[string]time.Time{},
	}
	defer w.own.close()
	defer w.close()
	err := w.open(ctx)
	if err == nil {
		err = w.watch(ctx)
	}
	switch {
	case ctx.Err() == nil:
		return ui.Explain(cfg.Target, err)
	case cfg.Once:
		return hint.ErrInterrupted
	}
	return nil
}

// watch looks until the context ends. Errors of the first look end it, and those of the cursor and
// the teller; others are noted, and the next look tries again.
func (w *watcher) watch(ctx context.Context) error {
	for first := true; ; first = false {
		err := w.look(ctx)
		var s3 *s3backend.Error
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case w.Once && err == nil && w.refused > 0:
			return hint.With(fmt.Errorf("%s not taken by the command",
				ui.Count(w.refused, "event")), "the next look tells them again")
		case w.Once && err == nil && len(w.unshown) > 0:
			return hint.With(fmt.Errorf("%s not told: the mount does not show the objects",
				ui.Count(len(w.unshown), "event")), "the next look tells them")
		case w.Once && errors.Is(err, errMountAway):
			return hint.With(fmt.Errorf("%s: %w", hint.Printable(w.Mount), err),
				"what is new is told once it does")
		case err != nil &&
			(first || w.Once || !errors.As(err, &s3) && !errors.Is(err, errMountAway)):
			return err
		case w.Once:
			return nil
		}
		w.noteAway(err)
		select {
		case <-time.After(max(w.Interval, time.Duration(w.pages)*time.Second)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// noteAway notes once why all events wait, and when that has ended.
func (w *watcher) noteAway(err error) {
	reason := ""
	switch {
	case errors.Is(err, errMountAway):
		reason = hint.Printable(w.Mount) + ": " + err.Error()
	case err != nil:
		reason = hint.OneLine(ui.Explain(w.Target, err).Error())
	}
	if reason == w.noted {
		return
	}
	if w.noted = reason; reason == "" {
		fmt.Fprintf(w.Errs, "s3share: note: it goes on\n")
	} else {
		fmt.Fprintf(w.Errs, "s3share: note: events wait: %s\n", reason)
	}
}

// errWatched is returned where another process has the cursor.
var errWatched = errors.New("another s3share watch is at work there")

// open takes the cursor, and begins a new one.
func (w *watcher) open(ctx context.Context) (err error) {
	place := filepath.Join(w.StateDir, "watch")
	defer func() {
		if err != nil && ctx.Err() == nil && !errors.Is(err, errWatched) &&
			!errors.Is(err, errNoFolder) && !errors.As(err, new(*s3backend.Error)) {
			err = fmt.Errorf("cannot use the cursor in %s: %w", place, hint.WithoutPath(err))
		}
	}()
	if w.dir, err = privatedir.OpenOrCreate(place); err != nil {
		return err
	}
	id := strings.Join(append([]string{w.ID, w.Cursor}, w.Prefixes...), "\x00")
	sum := sha256.Sum256([]byte(id))
	name := hex.EncodeToString(sum[:8])
	if w.lock, err = w.dir.OpenFile(name+".lock", os.O_RDWR|os.O_CREATE); err != nil {
		return err
	}
	if unix.Flock(int(w.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		return hint.With(errWatched,
			"stop that one, or give this one a cursor of its own with --cursor NAME")
	}
	if w.busy, err = w.dir.OpenFile(name+".busy", os.O_RDWR|os.O_CREATE); err != nil {
		return err
	}
	if err := w.awaitTeller(ctx); err != nil {
		return err
	}
	file := name + ".jsonl"
	w.cursor, err = changes.Open(w.dir, file, id)
	switch {
	case errors.Is(err, changes.ErrOther):
		return hint.With(fmt.Errorf("%s is that of another folder", filepath.Join(place, file)),
			"if you remove it, the next watch begins anew with what is there then")
	case err != nil:
		return err
	case w.cursor.New():
		return w.begin(ctx)
	case w.cursor.Damaged() > 0:
		fmt.Fprintf(w.Errs,
			"s3share: note: the cursor %s is damaged (%s): what it does not know any more is told again, and marked\n",
			hint.Printable(filepath.Join(place, file)), ui.Count(w.cursor.Damaged(), "line"))
	}
	return nil
}

// awaitTeller waits until the teller of an earlier watch has ended.
func (w *watcher) awaitTeller(ctx context.Context) error {
	for waited := false; ; waited = true {
		err := unix.Flock(int(w.busy.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil || !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return err
		}
		if !waited {
			fmt.Fprintf(w.Errs,
				"s3share: note: an event of an earlier watch is still being told, which is waited for\n")
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// begin begins a new cursor.
func (w *watcher) begin(ctx context.Context) error {
	known := map[string]changes.Version{}
	if w.Existing {
		if err := w.checkFolder(ctx); err != nil {
			return err
		}
	} else {
		any := false
		err := w.list(ctx, func(obj s3backend.Object) {
			any = true
			if !isDirectory(obj.Key) {
				known[obj.Key] = versionOf(obj)
			}
		})
		if err == nil && !any {
			err = w.checkFolder(ctx)
		}
		if err != nil {
			return err
		}
	}
	if err := w.cursor.Start(known); err != nil {
		return err
	}
	if len(known) > 0 {
		fmt.Fprintf(w.Errs, "s3share: note: %s there already; what changes from now on is told\n",
			objectsAre(len(known)))
	}
	return nil
}

func objectsAre(n int) string {
	if n == 1 {
		return "1 object is"
	}
	return fmt.Sprintf("%d objects are", n)
}

func (w *watcher) close() {
	if w.cursor != nil {
		_ = w.cursor.Close()
	}
	for _, f := range []*os.File{w.busy, w.lock} {
		if f != nil {
			_ = f.Close()
		}
	}
	if w.dir != nil {
		_ = w.dir.Close()
	}
}

// The pauses before an event is told again that a command has refused.
const (
	shortestPause = 5 * time.Second
	longestPause  = 5 * time.Minute
)

// refuse notes that a command has refused an event.
func (w *watcher) refuse(e changes.Event, path, why string) {
	w.refused++
	f, _ := w.failed[e.Key].delay(e.Version, shortestPause, longestPause)
	w.failed[e.Key] = f
	again := fmt.Sprintf("it is run again in %s", f.pause)
	if w.Once {
		again = "the next look runs it again"
	}
	fmt.Fprintf(w.Errs, "s3share: note: %s %s: %s; %s\n", e.Kind, hint.Printable(path),
		hint.OneLine(why), again)
}

// forgetOld forgets what is known of objects for which no event is due any more.
func (w *watcher) forgetOld(due map[string]bool) {
	gone := func(key string, _ delayed) bool { return !due[key] }
	maps.DeleteFunc(w.failed, gone)
	maps.DeleteFunc(w.held, gone)
	maps.DeleteFunc(w.unshown, func(key string, _ changes.Version) bool { return !due[key] })
}
