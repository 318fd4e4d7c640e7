package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/s3share/s3share/cache"
	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/cache/privatedir"
	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/mounts"
)

// Outboxes for which no daemon answers: what was left by unmount --keep, by a daemon that
// was killed, by the end of the machine. They are read where they lie, without S3 and
// without taking them.

// Whether a process delivers what waits.
const (
	daemonRuns     = "running"    // and answers
	daemonEnded    = "ended"      // nobody delivers it
	daemonSilent   = "silent"     // its process is there, and does not answer
	daemonRecovers = "recovering" // s3share recover delivers it
	daemonUnknown  = "unknown"    // a mount of which nobody knows the outbox
)

// readOutbox is the state of what lies in a state directory.
func readOutbox(stateDir string) (state, error) {
	st := state{StateDir: stateDir, Daemon: daemonEnded, Owed: []outbox.Status{}, Folders: []string{}, Requests: map[string]int64{}}
	if err := ownDirectory(stateDir); err != nil {
		return st, err
	}
	var of claim
	if data, err := readFile(filepath.Join(stateDir, claimName)); err == nil && json.Unmarshal(data, &of) == nil {
		st.Bucket, st.Endpoint = of.Bucket, of.Endpoint
	}
	t, err := readTenant(stateDir) // one that cannot be read says nothing
	private, perr := outbox.NewPrivate(t.Private)
	if perr != nil {
		private = nil
	}
	st.Dir, st.Exchange = t.mountpoint(), t.Exchange
	if err == nil && t.alive() {
		st.PID, st.Daemon = t.PID, daemonSilent
		if t.Dir == "" {
			st.Daemon = daemonRecovers
		}
	}
	kept, err := cache.Survey(stateDir, private)
	st.Owed, st.Beside = append(st.Owed, kept.Waiting...), kept.Conflicts
	st.Mounted = t.mounted(st.label())
	return st, err
}

// mounted reports whether the mount of t, or one that s3share recover came after, is there
// still. label is what people call its exchange. A mount that ended in order is not: what
// is mounted there since belongs to another outbox.
func (t tenant) mounted(label string) bool {
	m, err := mounts.MountAt(t.mountpoint())
	if err != nil || m == nil || !mounts.Ours(m) || mounts.OwnerOf(m) != os.Getuid() {
		return false
	}
	return t.PID != 0 || t.Dir == "" && m.Source == mounts.SourcePrefix+label
}

// ownDirectory reports why what lies in a directory is not to be believed: because it is
// none, or another user can change it. Unlike privatedir.Open it changes nothing.
func ownDirectory(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return unix.ENOTDIR
	}
	return privatedir.Check(path)
}

// readFile reads a small file, and follows no link.
func readFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, 1<<20))
}

// everyPlace are the mounts of this user, and the outboxes in which something waits though
// no daemon answers for them. The error says what could not be looked at: then it is not
// known what waits there.
func everyPlace(ctx context.Context) ([]place, error) {
	answered := allDaemons(ctx, os.Getuid())
	kept, err := keptOutboxes(ctx, answered)
	if ctx.Err() != nil {
		return nil, hint.ErrInterrupted
	}
	return append(answered, kept...), err
}

// keptOutboxes are the outboxes of this user in which something waits, or that belong to
// a mount, but for those of the daemons that have answered.
func keptOutboxes(ctx context.Context, answered []place) ([]place, error) {
	dirs, err := knownDirs()
	errs := []error{err}
	var all []place
	for _, dir := range dirs {
		same := func(p place) bool { return sameDir(p.state.StateDir, dir.path) }
		if slices.ContainsFunc(answered, same) || slices.ContainsFunc(all, same) {
			continue
		}
		if dir.missing != "" {
			errs = append(errs, hint.Advise(fmt.Errorf("something may wait in the state directory %s, which is not there", hint.Printable(dir.path)),
				"mount the disk that it is on; if it is gone for good: rm "+hint.ShellWord(dir.missing)))
			continue
		}
		st, err := readOutbox(dir.path)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
			continue
		}
		p := place{state: st}
		if st.Daemon == daemonSilent {
			p = answersNow(ctx, p)
		}
		if err != nil && p.link == nil {
			errs = append(errs, fmt.Errorf("what waits in the state directory %s is not known: %w", hint.Printable(dir.path), hint.RootCause(err)))
		}
		if p.link != nil || len(undelivered(st.Owed)) > 0 || st.Mounted {
			all = append(all, p)
		}
	}
	lost, err := lostMounts(ctx, append(slices.Clip(answered), all...))
	all = append(all, lost...)
	slices.SortStableFunc(all, func(a, b place) int { return strings.Compare(a.state.Dir, b.state.Dir) })
	return all, errors.Join(append(errs, err)...)
}

// lostMounts are the mounts of this user that are not among those that are known: nobody
// knows their outbox.
func lostMounts(ctx context.Context, known []place) (all []place, err error) {
	mounted, err := mounts.OurMounts()
	errs := []error{err}
	for _, m := range mounted {
		if mounts.OwnerOf(m) != os.Getuid() || slices.ContainsFunc(known, func(p place) bool { return p.state.Dir == m.Mountpoint }) {
			continue
		}
		p := answersNow(ctx, place{state: state{
			Dir: m.Mountpoint, Mounted: true, Daemon: daemonUnknown, Owed: []outbox.Status{}, Folders: []string{}, Requests: map[string]int64{},
			Bucket: strings.TrimPrefix(m.Source, mounts.SourcePrefix),
		}})
		if p.link == nil {
			if still, err := mounts.MountAt(m.Mountpoint); err == nil && still == nil {
				continue // undone since
			}
			errs = append(errs, fmt.Errorf("no daemon answers for the mount on %s, and what waits there is not known", hint.Printable(m.Mountpoint)))
		}
		all = append(all, p)
	}
	return all, errors.Join(errs...)
}

// latePatience is how long a daemon may take to answer that did not when all were asked:
// it has begun since, or it hangs.
const latePatience = 2 * time.Second

// answersNow asks for p again, of which nobody told anything before.
func answersNow(ctx context.Context, p place) place {
	ctx, cancel := context.WithTimeout(ctx, latePatience)
	defer cancel()
	if link, st, err := findDaemon(ctx, p.state.Dir, os.Getuid()); err == nil {
		return place{link: link, state: st}
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

// keptAt is the outbox of the mount that name was in, or on, and the path in there. ok is
// false where nobody knows of one. Of several mounts on one directory it is the one that
// is there still, else one in which something waits, else the last.
func keptAt(name string) (p place, ok bool) {
	abs, err := mounts.Absolute(name)
	if err != nil {
		return p, false
	}
	type candidate struct {
		place
		used time.Time
	}
	var all []candidate
	dirs, _ := knownDirs() // what cannot be looked at has no answer either
	for _, dir := range dirs {
		t, err := readTenant(dir.path)
		at := t.mountpoint()
		path, in := pathIn(abs, at)
		if err != nil || at == "" || !in {
			continue
		}
		if st, err := readOutbox(dir.path); err == nil {
			all = append(all, candidate{place{state: st, path: path}, lockTime(dir.path)})
		}
	}
	if len(all) == 0 {
		return p, false
	}
	p = slices.MaxFunc(all, func(a, b candidate) int {
		return cmp.Or(
			cmp.Compare(len(a.state.Dir), len(b.state.Dir)),
			compareBool(a.state.Mounted, b.state.Mounted),
			compareBool(len(undelivered(a.state.Owed)) > 0, len(undelivered(b.state.Owed)) > 0),
			a.used.Compare(b.used))
	}).place
	p.state.keep(p.path)
	return p, true
}

// pathIn is the path below dir of what abs names there; in is false if it is elsewhere.
func pathIn(abs, dir string) (path string, in bool) {
	for _, path := range []string{filepath.Clean(abs), mounts.RealPath(abs)} {
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

// keep leaves in a state that was read from an outbox what is at path or below it.
func (st *state) keep(path string) {
	if path == "" {
		return
	}
	other := func(o outbox.Status) bool { return !cache.Below(path)(o) }
	st.Path = path
	st.Owed = slices.DeleteFunc(st.Owed, other)
	st.Beside = slices.DeleteFunc(st.Beside, other)
	st.File = &fileState{State: cache.Unknown, words: words{Reason: st.daemonText() + ", and nothing of it waits in the outbox"}}
}

// daemonText says whether somebody delivers what waits.
func (st *state) daemonText() string {
	switch st.Daemon {
	case daemonSilent:
		return fmt.Sprintf("its daemon (pid %d) does not answer", st.PID)
	case daemonRecovers:
		return fmt.Sprintf("s3share recover (pid %d) delivers it", st.PID)
	case daemonUnknown:
		return "its daemon does not answer"
	}
	return "its daemon has ended"
}

// whatDelivers is what a person does to have delivered what waits; "" for nothing.
func (st *state) whatDelivers() string {
	if st.Daemon != daemonEnded {
		return ""
	}
	command := "s3share recover "
	if st.Exchange != "" {
		command += hint.ShellWord(st.Exchange)
	} else {
		command += "--bucket " + hint.ShellWord(st.Bucket)
		if st.Endpoint != "" {
			command += " --endpoint-url " + hint.ShellWord(st.Endpoint)
		}
	}
	if root, err := config.StateRoot(); err != nil || st.Exchange == "" || filepath.Dir(st.StateDir) != root {
		command += " --state-dir " + hint.ShellWord(st.StateDir)
	}
	return command + " delivers it, and so does the next mount"
}

// lookAt is placeOf, and what lies in the outbox where no daemon answers.
func lookAt(ctx context.Context, name string) (place, error) {
	p, err := placeOf(ctx, name)
	if err == nil || ctx.Err() != nil {
		return p, err
	}
	if kept, ok := keptAt(name); ok && kept.worthShowing() {
		return kept, nil
	}
	return p, err
}

// worthShowing reports whether an outbox for which no daemon answers says more than that
// there is none.
func (p place) worthShowing() bool { return len(p.state.rows()) > 0 || p.state.Mounted }
