package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// tenant is who uses a state directory, as its lock file says.
type tenant struct {
	PID int    `json:"pid"`
	Dir string `json:"dir"` // the mountpoint
}

// lockState takes the state directory for this process until the file is closed.
// The kernel gives it up when the process ends, however that happens.
func lockState(stateDir, mountpoint string) (*os.File, error) {
	name := filepath.Join(stateDir, "daemon.lock")
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, advise(fmt.Errorf("cannot lock the state directory %s: %w", stateDir, rootCause(err)), "name another one with --state-dir")
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		defer f.Close()
		return nil, inUse(stateDir, f)
	}
	if err == nil && !sameFile(f, name) {
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

func inUse(stateDir string, f *os.File) error {
	var t tenant
	who := ""
	hint := "give this mount another one with --state-dir"
	if err := json.NewDecoder(f).Decode(&t); err == nil {
		who = fmt.Sprintf(" (pid %d, mounted on %s)", t.PID, t.Dir)
		hint = fmt.Sprintf("end that one with s3share unmount %s, which waits until it has delivered; or %s", t.Dir, hint)
	}
	return advise(fmt.Errorf("the state directory %s is in use by another daemon%s", stateDir, who), hint)
}
