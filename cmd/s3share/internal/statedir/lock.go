package statedir

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/s3share/s3share/cache/jsonbytes"
	"github.com/s3share/s3share/cache/privatedir"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/mounts"
)

// LockInfo is the content of the lock file: the process that uses the state directory, or
// that used it last.
type LockInfo struct {
	PID  int              `json:"pid"`            // 0 once the process has ended cleanly
	Dir  jsonbytes.String `json:"dir"`            // the mountpoint; "" for s3share recover
	Last jsonbytes.String `json:"last,omitempty"` // for s3share recover: of the mount before
	// Start is the start time of the process, see processStart.
	Start string `json:"start,omitempty"`
	// Served counts the mounts that have served with this state directory. NoteServes adds one.
	Served   int      `json:"served,omitempty"`
	Exchange string   `json:"exchange,omitempty"`
	Private  []string `json:"private,omitempty"` // the private patterns of the settings
}

// Mountpoint returns the directory on which the files of the state directory were mounted
// last, "" if it is not known.
func (t LockInfo) Mountpoint() string { return string(cmp.Or(t.Dir, t.Last)) }

// Alive reports whether the process still runs. Another process with the same PID does not
// count.
func (t LockInfo) Alive() bool {
	if t.PID == 0 {
		return false
	}
	start := processStart(t.PID)
	return start != "" && (t.Start == "" || t.Start == start)
}

// Lock locks a state directory for this process until the caller closes the file, and writes
// t into it, with the PID of this process. If another process has the lock, it returns an
// [InUseError] at once. The kernel releases the lock when the process ends, even by a crash.
func Lock(stateDir string, t LockInfo) (*os.File, error) {
	f, err := OpenLock(stateDir, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, hint.With(fmt.Errorf("cannot lock the state directory %s: %w",
			stateDir, hint.WithoutPath(err)), "name another one with --state-dir")
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		defer f.Close()
		return nil, inUse(stateDir, f)
	}
	if err == nil && !sameFile(f, filepath.Join(stateDir, LockFile)) {
		err = errors.New("it is being removed") // by a mount that failed to start
	}
	if err == nil {
		var before LockInfo
		if json.NewDecoder(f).Decode(&before) == nil {
			t.Served = before.Served
			if t.Dir == "" {
				t.Last = jsonbytes.String(before.Mountpoint())
			}
		}
		t.PID, t.Start = os.Getpid(), processStart(os.Getpid())
		err = writeLock(f, t)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot lock the state directory %s: %w", stateDir, err),
			f.Close())
	}
	return f, nil
}

// LockFile is the name of the lock file in a state directory.
const LockFile = "daemon.lock"

// OpenLock opens the lock file with the flags of [os.OpenFile], and does not lock it. It
// refuses a directory that another user can change.
func OpenLock(stateDir string, flag int) (*os.File, error) {
	dir, err := privatedir.Open(stateDir)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return dir.OpenFile(LockFile, flag)
}

// NoteEnd records in the lock file f that the process ends cleanly. The caller holds the lock
// and closes f afterwards.
func NoteEnd(f *os.File) error {
	_, err := changeLock(f, func(t *LockInfo) { t.PID, t.Start = 0, "" })
	return err
}

// NoteServes records in the lock file f that the mount of this process serves, and returns how
// many have served by now. The caller holds the lock.
func NoteServes(f *os.File) (served int, err error) {
	t, err := changeLock(f, func(t *LockInfo) { t.Served++ })
	return t.Served, err
}

// changeLock changes the content of the lock file f, and returns it.
func changeLock(f *os.File, change func(*LockInfo)) (t LockInfo, err error) {
	if err := json.NewDecoder(io.NewSectionReader(f, 0, 1<<20)).Decode(&t); err != nil {
		return t, err
	}
	change(&t)
	return t, writeLock(f, t)
}

// ReadLock reads the lock file of a state directory, without locking it. A process that
// LockInfo names need not run any more; see [LockInfo.Alive].
func ReadLock(stateDir string) (t LockInfo, err error) {
	if err := CheckPrivate(stateDir); err != nil {
		return t, err
	}
	data, err := ReadFile(filepath.Join(stateDir, LockFile))
	if err == nil {
		// The rest of an older, longer text may follow.
		err = json.NewDecoder(bytes.NewReader(data)).Decode(&t)
	}
	return t, err
}

// LockModTime returns when a state directory was locked, or released cleanly, last; the zero
// time if there is no lock file.
func LockModTime(stateDir string) time.Time {
	info, err := os.Lstat(filepath.Join(stateDir, LockFile))
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

func sameFile(f *os.File, name string) bool {
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := os.Stat(name)
	return err == nil && os.SameFile(a, b)
}

func writeLock(f *os.File, t LockInfo) error {
	data, err := json.Marshal(t)
	if err != nil {
		return err
	}
	data = append(data, '\n')
	if _, err := f.WriteAt(data, 0); err != nil {
		return err
	}
	return f.Truncate(int64(len(data))) // last, since others read the file without the lock
}

// InUseError is the error of [Lock] when another process has the state directory.
type InUseError struct {
	stateDir string
	Holder   LockInfo // the zero value if it is not known
}

// Error names the directory and the process.
func (e *InUseError) Error() string {
	who := "another daemon"
	switch {
	case e.Holder.PID != 0 && e.Holder.Dir == "":
		who = fmt.Sprintf("s3share recover (pid %d)", e.Holder.PID)
	case e.Holder.PID != 0:
		who = fmt.Sprintf("another daemon (pid %d, mounted on %s)", e.Holder.PID, e.Holder.Dir)
	}
	return fmt.Sprintf("the state directory %s is in use by %s", e.stateDir, who)
}

func inUse(stateDir string, f *os.File) error {
	e := &InUseError{stateDir: stateDir}
	if json.NewDecoder(f).Decode(&e.Holder) != nil {
		e.Holder = LockInfo{}
	}
	advice := "give this mount another one with --state-dir"
	switch {
	case e.Holder.PID != 0 && e.Holder.Dir == "":
		advice = "mount again when it has ended; or " + advice
	case e.Holder.PID != 0:
		advice = fmt.Sprintf(
			"end that one with s3share unmount %s, which waits until it has delivered; or %s",
			e.Holder.Dir, advice)
	}
	return hint.With(e, advice)
}

// Mounted reports whether the mount of t still exists; for s3share recover, the mount that it
// recovers. label is the name of its exchange. After a clean end it is false: a mount on the
// same directory belongs to another outbox then.
func (t LockInfo) Mounted(label string) bool {
	m, err := mounts.At(t.Mountpoint())
	if err != nil || m == nil || !mounts.IsOurs(m) || mounts.Owner(m) != os.Getuid() {
		return false
	}
	return t.PID != 0 || t.Dir == "" && m.Source == mounts.SourcePrefix+label
}
