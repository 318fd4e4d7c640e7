package main

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
)

// tenant is who uses a state directory, or used it last, as its lock file says.
type tenant struct {
	PID      int              `json:"pid"`             // 0 once it has ended in order
	Dir      jsonbytes.String `json:"dir"`             // the mountpoint; "" for s3share recover
	Last     jsonbytes.String `json:"last,omitempty"`  // the mountpoint before, for s3share recover
	Start    string           `json:"start,omitempty"` // when the process began, as the kernel counts
	Exchange string           `json:"exchange,omitempty"`
	Private  []string         `json:"private,omitempty"` // as in the settings
}

// mountpoint is where what lies in the state directory was shown last.
func (t tenant) mountpoint() string { return string(cmp.Or(t.Dir, t.Last)) }

// alive reports whether the process still runs.
func (t tenant) alive() bool {
	if t.PID == 0 {
		return false
	}
	start := processStart(t.PID)
	return start != "" && (t.Start == "" || t.Start == start)
}

// lockState takes the state directory for this process until the file is closed, and
// signs for it as t. The kernel gives it up when the process ends, however that happens.
func lockState(stateDir string, t tenant) (*os.File, error) {
	f, err := openLock(stateDir, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, hint.Advise(fmt.Errorf("cannot lock the state directory %s: %w", stateDir, hint.RootCause(err)), "name another one with --state-dir")
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		defer f.Close()
		return nil, inUse(stateDir, f)
	}
	if err == nil && !sameFile(f, filepath.Join(stateDir, lockName)) {
		err = errors.New("it is being removed") // by a start that failed
	}
	if err == nil {
		var before tenant
		if json.NewDecoder(f).Decode(&before) == nil && t.Dir == "" {
			t.Last = jsonbytes.String(before.mountpoint())
		}
		t.PID, t.Start = os.Getpid(), processStart(os.Getpid())
		err = signLock(f, t)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot lock the state directory %s: %w", stateDir, err), f.Close())
	}
	return f, nil
}

// lockName is the file in a state directory that is locked.
const lockName = "daemon.lock"

// openLock opens it, in a directory that is this user's alone.
func openLock(stateDir string, flag int) (*os.File, error) {
	dir, err := privatedir.Open(stateDir)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return dir.OpenFile(lockName, flag)
}

// leaveLock notes that the process has ended in order, before it gives the lock up.
func leaveLock(f *os.File) error {
	var t tenant
	if err := json.NewDecoder(io.NewSectionReader(f, 0, 1<<20)).Decode(&t); err != nil {
		return err
	}
	t.PID, t.Start = 0, ""
	return signLock(f, t)
}

// readTenant reads who uses a state directory, without taking it.
func readTenant(stateDir string) (t tenant, err error) {
	if err := ownDirectory(stateDir); err != nil {
		return t, err
	}
	data, err := readFile(filepath.Join(stateDir, lockName))
	if err == nil {
		err = json.NewDecoder(bytes.NewReader(data)).Decode(&t) // the end of another may follow
	}
	return t, err
}

// lockTime is when a state directory was taken or given up last.
func lockTime(stateDir string) time.Time {
	info, err := os.Lstat(filepath.Join(stateDir, lockName))
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

func signLock(f *os.File, t tenant) error {
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

// inUseError says that another process has the state directory.
type inUseError struct {
	stateDir string
	by       tenant // without a PID if it cannot be told
}

func (e *inUseError) Error() string {
	who := "another daemon"
	switch {
	case e.by.PID != 0 && e.by.Dir == "":
		who = fmt.Sprintf("s3share recover (pid %d)", e.by.PID)
	case e.by.PID != 0:
		who = fmt.Sprintf("another daemon (pid %d, mounted on %s)", e.by.PID, e.by.Dir)
	}
	return fmt.Sprintf("the state directory %s is in use by %s", e.stateDir, who)
}

func inUse(stateDir string, f *os.File) error {
	e := &inUseError{stateDir: stateDir}
	if json.NewDecoder(f).Decode(&e.by) != nil {
		e.by = tenant{}
	}
	advice := "give this mount another one with --state-dir"
	switch {
	case e.by.PID != 0 && e.by.Dir == "":
		advice = "mount again when it has ended; or " + advice
	case e.by.PID != 0:
		advice = fmt.Sprintf("end that one with s3share unmount %s, which waits until it has delivered; or %s", e.by.Dir, advice)
	}
	return hint.Advise(e, advice)
}
