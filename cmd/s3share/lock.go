package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/s3share/s3share/cache/privatedir"
)

// tenant is who uses a state directory, as its lock file says.
type tenant struct {
	PID int    `json:"pid"`
	Dir string `json:"dir"` // the mountpoint; "" for s3share recover
}

// lockState takes the state directory for this process until the file is closed.
// The kernel gives it up when the process ends, however that happens.
func lockState(stateDir, mountpoint string) (*os.File, error) {
	f, err := openLock(stateDir, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, advise(fmt.Errorf("cannot lock the state directory %s: %w", stateDir, rootCause(err)), "name another one with --state-dir")
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
		err = signLock(f, tenant{os.Getpid(), mountpoint})
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
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.WriteAt(append(data, '\n'), 0)
	return err
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
	hint := "give this mount another one with --state-dir"
	switch {
	case e.by.PID != 0 && e.by.Dir == "":
		hint = "mount again when it has ended; or " + hint
	case e.by.PID != 0:
		hint = fmt.Sprintf("end that one with s3share unmount %s, which waits until it has delivered; or %s", e.by.Dir, hint)
	}
	return advise(e, hint)
}
