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

// Tenant is who uses a state directory, or used it last, as its lock file says.
type Tenant struct {
	PID      int              `json:"pid"`             // 0 once it has ended in order
	Dir      jsonbytes.String `json:"dir"`             // the mountpoint; "" for s3share recover
	Last     jsonbytes.String `json:"last,omitempty"`  // the mountpoint before, for s3share recover
	Start    string           `json:"start,omitempty"` // when the process began, as the kernel counts
	Exchange string           `json:"exchange,omitempty"`
	Private  []string         `json:"private,omitempty"` // as in the settings
}

// Mountpoint is where what lies in the state directory was shown last.
func (t Tenant) Mountpoint() string { return string(cmp.Or(t.Dir, t.Last)) }

// Alive reports whether the process still runs.
func (t Tenant) Alive() bool {
	if t.PID == 0 {
		return false
	}
	start := processStart(t.PID)
	return start != "" && (t.Start == "" || t.Start == start)
}

// LockState takes the state directory for this process until the file is closed, and
// signs for it as t. The kernel gives it up when the process ends, however that happens.
func LockState(stateDir string, t Tenant) (*os.File, error) {
	f, err := OpenLock(stateDir, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, hint.With(fmt.Errorf("cannot lock the state directory %s: %w", stateDir, hint.WithoutPath(err)), "name another one with --state-dir")
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		defer f.Close()
		return nil, inUse(stateDir, f)
	}
	if err == nil && !sameFile(f, filepath.Join(stateDir, LockName)) {
		err = errors.New("it is being removed") // by a start that failed
	}
	if err == nil {
		var before Tenant
		if json.NewDecoder(f).Decode(&before) == nil && t.Dir == "" {
			t.Last = jsonbytes.String(before.Mountpoint())
		}
		t.PID, t.Start = os.Getpid(), processStart(os.Getpid())
		err = signLock(f, t)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot lock the state directory %s: %w", stateDir, err), f.Close())
	}
	return f, nil
}

// LockName is the file in a state directory that is locked.
const LockName = "daemon.lock"

// OpenLock opens it, in a directory that is this user's alone.
func OpenLock(stateDir string, flag int) (*os.File, error) {
	dir, err := privatedir.Open(stateDir)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return dir.OpenFile(LockName, flag)
}

// LeaveLock notes that the process has ended in order, before it gives the lock up.
func LeaveLock(f *os.File) error {
	var t Tenant
	if err := json.NewDecoder(io.NewSectionReader(f, 0, 1<<20)).Decode(&t); err != nil {
		return err
	}
	t.PID, t.Start = 0, ""
	return signLock(f, t)
}

// ReadTenant reads who uses a state directory, without taking it.
func ReadTenant(stateDir string) (t Tenant, err error) {
	if err := OwnDirectory(stateDir); err != nil {
		return t, err
	}
	data, err := ReadFile(filepath.Join(stateDir, LockName))
	if err == nil {
		err = json.NewDecoder(bytes.NewReader(data)).Decode(&t) // the end of another may follow
	}
	return t, err
}

// LockTime is when a state directory was taken or given up last.
func LockTime(stateDir string) time.Time {
	info, err := os.Lstat(filepath.Join(stateDir, LockName))
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

func signLock(f *os.File, t Tenant) error {
	data, err := json.Marshal(t)
	if err != nil {
		return err
	}
	data = append(data, '\n')
	if _, err := f.WriteAt(data, 0); err != nil {
		return err
	}
	return f.Truncate(int64(len(data))) // last: somebody may read it meanwhile
}

// InUseError says that another process has the state directory.
type InUseError struct {
	stateDir string
	By       Tenant // without a PID if it cannot be told
}

func (e *InUseError) Error() string {
	who := "another daemon"
	switch {
	case e.By.PID != 0 && e.By.Dir == "":
		who = fmt.Sprintf("s3share recover (pid %d)", e.By.PID)
	case e.By.PID != 0:
		who = fmt.Sprintf("another daemon (pid %d, mounted on %s)", e.By.PID, e.By.Dir)
	}
	return fmt.Sprintf("the state directory %s is in use by %s", e.stateDir, who)
}

func inUse(stateDir string, f *os.File) error {
	e := &InUseError{stateDir: stateDir}
	if json.NewDecoder(f).Decode(&e.By) != nil {
		e.By = Tenant{}
	}
	advice := "give this mount another one with --state-dir"
	switch {
	case e.By.PID != 0 && e.By.Dir == "":
		advice = "mount again when it has ended; or " + advice
	case e.By.PID != 0:
		advice = fmt.Sprintf("end that one with s3share unmount %s, which waits until it has delivered; or %s", e.By.Dir, advice)
	}
	return hint.With(e, advice)
}

// mounted reports whether the mount of t, or one that s3share recover came after, is there
// still. label is what people call its exchange. A mount that ended in order is not: what
// is mounted there since belongs to another outbox.
func (t Tenant) Mounted(label string) bool {
	m, err := mounts.MountAt(t.Mountpoint())
	if err != nil || m == nil || !mounts.Ours(m) || mounts.OwnerOf(m) != os.Getuid() {
		return false
	}
	return t.PID != 0 || t.Dir == "" && m.Source == mounts.SourcePrefix+label
}
