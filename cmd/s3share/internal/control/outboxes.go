package control

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/s3share/s3share/cache"
	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/cache/privatename"
	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/mounts"
	"github.com/s3share/s3share/cmd/s3share/internal/statedir"
)

// Outboxes for which no daemon answers: what was left by unmount --keep, by a daemon that
// was killed, by the end of the machine. They are read where they lie, without S3 and
// without taking them.

// ReadOutbox is the state of what lies in a state directory.
func ReadOutbox(stateDir string) (State, error) {
	st := State{StateDir: stateDir, Daemon: DaemonEnded, Pending: []outbox.Status{},
		Folders: []string{}, Requests: map[string]int64{}}
	if err := statedir.CheckPrivate(stateDir); err != nil {
		return st, err
	}
	var of statedir.BucketID
	if data, err := statedir.ReadFile(filepath.Join(stateDir, statedir.BucketFile)); err == nil &&
		json.Unmarshal(data, &of) == nil {
		st.Bucket, st.Endpoint = of.Bucket, of.Endpoint
	}
	t, err := statedir.ReadLock(stateDir) // one that cannot be read says nothing
	private, perr := privatename.New(t.Private)
	if perr != nil {
		private = nil
	}
	st.Dir, st.Exchange = t.Mountpoint(), t.Exchange
	if err == nil && t.Alive() {
		st.PID, st.Daemon = t.PID, daemonSilent
		if t.Dir == "" {
			st.Daemon = daemonRecovers
		}
	}
	kept, err := cache.ReadPending(stateDir, private)
	st.Pending, st.Unresolved = append(st.Pending, kept.Waiting...), kept.Conflicts
	statedir.AddReasons(stateDir, st.Pending)
	st.Mounted = t.Mounted(st.Label())
	if since, paused := statedir.ReadPaused(stateDir); paused {
		st.Paused = NewPause(&outbox.SuspendedError{Since: since}, cmp.Or(st.Dir, st.Label()))
	}
	return st, err
}

// AllTargets are the mounts of this user, and the outboxes in which something waits though
// no daemon answers for them. The error says what could not be looked at: then it is not
// known what waits there.
func AllTargets(ctx context.Context) ([]Target, error) {
	answered := allDaemons(ctx, os.Getuid())
	kept, err := unservedOutboxes(ctx, answered)
	if ctx.Err() != nil {
		return nil, hint.ErrInterrupted
	}
	return append(answered, kept...), err
}

// unservedOutboxes are the outboxes of this user in which something waits, or that belong to
// a mount, but for those of the daemons that have answered.
func unservedOutboxes(ctx context.Context, answered []Target) ([]Target, error) {
	dirs, err := knownDirs()
	errs := []error{err}
	var all []Target
	for _, dir := range dirs {
		same := func(p Target) bool { return sameDir(p.State.StateDir, dir.path) }
		if slices.ContainsFunc(answered, same) || slices.ContainsFunc(all, same) {
			continue
		}
		if dir.missing != "" {
			errs = append(errs,
				hint.With(
					fmt.Errorf("something may wait in the state directory %s, which is not there",
						hint.Printable(dir.path)),
					"mount the disk that it is on; if it is gone for good: rm "+
						hint.ShellQuote(dir.missing)))
			continue
		}
		st, err := ReadOutbox(dir.path)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
			continue
		}
		p := Target{State: st}
		if st.Daemon == daemonSilent {
			p = askAgain(ctx, p)
		}
		if err != nil && p.Client == nil {
			errs = append(errs, fmt.Errorf("what waits in the state directory %s is not known: %w",
				hint.Printable(dir.path), hint.WithoutPath(err)))
		}
		if p.Client != nil || len(Undelivered(st.Pending)) > 0 || st.Mounted {
			all = append(all, p)
		}
	}
	lost, err := unservedMounts(ctx, append(slices.Clip(answered), all...))
	all = append(all, lost...)
	slices.SortStableFunc(all,
		func(a, b Target) int { return strings.Compare(a.State.Dir, b.State.Dir) })
	return all, errors.Join(append(errs, err)...)
}

// unservedMounts are the mounts of this user that are not among those that are known: nobody
// knows their outbox.
func unservedMounts(ctx context.Context, known []Target) (all []Target, err error) {
	mounted, err := mounts.All()
	errs := []error{err}
	for _, m := range mounted {
		if mounts.Owner(m) != os.Getuid() ||
			slices.ContainsFunc(known, func(p Target) bool { return p.State.Dir == m.Mountpoint }) {
			continue
		}
		p := askAgain(ctx, Target{State: State{
			Dir: m.Mountpoint, Mounted: true, Daemon: DaemonUnknown, Pending: []outbox.Status{},
			Folders: []string{}, Requests: map[string]int64{},
			Bucket: strings.TrimPrefix(m.Source, mounts.SourcePrefix),
		}})
		if p.Client == nil {
			if still, err := mounts.At(m.Mountpoint); err == nil && still == nil {
				continue // undone since
			}
			errs = append(errs,
				fmt.Errorf(
					"no daemon answers for the mount on %s, and what waits there is not known",
					hint.Printable(m.Mountpoint)))
		}
		all = append(all, p)
	}
	return all, errors.Join(errs...)
}

// lateTimeout is how long a daemon may take to answer that did not when all were asked:
// it has begun since, or it hangs.
const lateTimeout = 2 * time.Second

// askAgain asks for p again, of which nobody told anything before.
func askAgain(ctx context.Context, p Target) Target {
	ctx, cancel := context.WithTimeout(ctx, lateTimeout)
	defer cancel()
	if link, st, err := FindDaemon(ctx, p.State.Dir, os.Getuid()); err == nil {
		return Target{Client: link, State: st}
	}
	return p
}

func sameDir(a, b string) bool {
	if a == b {
		return true
	}
	ai, aerr := os.Stat(a)
	bi, berr := os.Stat(b)
	return aerr == nil && berr == nil && os.SameFile(ai, bi)
}

// OutboxAt is the outbox of the mount that name was in, or on, and the path in there. ok is
// false where nobody knows of one. Of several mounts on one directory it is the one that
// is there still, else one in which something waits, else the last.
func OutboxAt(name string) (p Target, ok bool) {
	abs, err := mounts.AbsPath(name)
	if err != nil {
		return p, false
	}
	type candidate struct {
		Target
		used time.Time
	}
	var all []candidate
	dirs, _ := knownDirs() // what cannot be looked at has no answer either
	for _, dir := range dirs {
		t, err := statedir.ReadLock(dir.path)
		at := t.Mountpoint()
		path, in := pathIn(abs, at)
		if err != nil || at == "" || !in {
			continue
		}
		if st, err := ReadOutbox(dir.path); err == nil {
			all = append(all,
				candidate{Target{State: st, Path: path}, statedir.LockModTime(dir.path)})
		}
	}
	if len(all) == 0 {
		return p, false
	}
	p = slices.MaxFunc(all, func(a, b candidate) int {
		return cmp.Or(
			cmp.Compare(len(a.State.Dir), len(b.State.Dir)),
			compareBool(a.State.Mounted, b.State.Mounted),
			compareBool(len(Undelivered(a.State.Pending)) > 0,
				len(Undelivered(b.State.Pending)) > 0),
			a.used.Compare(b.used))
	}).Target
	p.State.limitTo(p.Path)
	return p, true
}

// pathIn is the path below dir of what abs names there; in is false if it is elsewhere.
func pathIn(abs, dir string) (path string, in bool) {
	for _, path := range []string{filepath.Clean(abs), mounts.ResolveExisting(abs)} {
		if mounts.Within(path, dir) {
			return strings.TrimPrefix(path[len(dir):], "/"), true
		}
	}
	return "", false
}

// compareBool orders false before true.
func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// DaemonText says whether somebody delivers what waits.
func (st *State) DaemonText() string {
	switch st.Daemon {
	case daemonSilent:
		return fmt.Sprintf("its daemon (pid %d) does not answer", st.PID)
	case daemonRecovers:
		return fmt.Sprintf("s3share recover (pid %d) delivers it", st.PID)
	case DaemonUnknown:
		return "its daemon does not answer"
	}
	return "its daemon has ended"
}

// recoverAdvice is what a person does to have delivered what waits; "" for nothing.
func (st *State) recoverAdvice() string {
	if st.Daemon != DaemonEnded {
		return ""
	}
	command := "s3share recover "
	if st.Exchange != "" {
		command += hint.ShellQuote(st.Exchange)
	} else {
		command += "--bucket " + hint.ShellQuote(st.Bucket)
		if st.Endpoint != "" {
			command += " --endpoint-url " + hint.ShellQuote(st.Endpoint)
		}
	}
	if root, err := config.StateRoot(); err != nil || st.Exchange == "" ||
		filepath.Dir(st.StateDir) != root {
		command += " --state-dir " + hint.ShellQuote(st.StateDir)
	}
	if st.Paused != nil {
		return st.Paused.Hint + "; then " + command + " delivers it, and so does the next mount"
	}
	return command + " delivers it, and so does the next mount"
}

// FindTargetOrOutbox is FindTarget, and what lies in the outbox where no daemon answers.
func FindTargetOrOutbox(ctx context.Context, name string) (Target, error) {
	p, err := FindTarget(ctx, name)
	if err == nil || ctx.Err() != nil {
		return p, err
	}
	if kept, ok := OutboxAt(name); ok && kept.worthShowing() {
		return kept, nil
	}
	return p, err
}

// worthShowing reports whether an outbox for which no daemon answers says more than that
// there is none.
func (p Target) worthShowing() bool { return len(p.State.Rows()) > 0 || p.State.Mounted }

// NoDaemon says that nobody can be asked to do something with what waits at p.
func (p Target) NoDaemon(do string) error {
	return hint.With(fmt.Errorf("cannot %s %s: %s", do, p, p.State.DaemonText()), p.State.Advice())
}

// Advice returns what to do about an outbox for which no daemon answers, "" for nothing.
func (st *State) Advice() string {
	switch {
	case st.Daemon == daemonSilent:
		return fmt.Sprintf("if it hangs, end it: kill -9 %d; what waits stays in the outbox",
			st.PID)
	case st.Daemon == DaemonUnknown && st.Mounted:
		return "if it is gone for good, " + st.undoAdvice()
	}
	var do []string
	if st.Mounted && st.Daemon == DaemonEnded {
		do = append(do, st.undoAdvice())
	}
	if recover := st.recoverAdvice(); recover != "" && len(Undelivered(st.Pending)) > 0 {
		do = append(do, recover)
	}
	return strings.Join(do, "; ")
}

// undoAdvice is how a mount is undone that has no daemon.
func (st *State) undoAdvice() string {
	return "s3share unmount " + hint.ShellQuote(st.Dir) + " undoes the dead mount"
}
