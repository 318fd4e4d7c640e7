//go:build !linux

package main

import (
	"errors"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"
)

// checkKernel has nothing to look at before the mount itself.
func checkKernel(bool) error { return nil }

// How a mount is undone: only when it is idle, or from whoever holds it.
const (
	whenIdle = false
	lazily   = true
)

// detach undoes the mount on dir. It returns unix.EBUSY if it is in use and lazy
// is not set.
func detach(dir string, lazy bool) error {
	args := []string{dir}
	if lazy {
		args = []string{"-f", dir}
	}
	out, err := exec.Command("umount", args...).CombinedOutput()
	if err == nil {
		return nil
	}
	text := strings.TrimSpace(string(out))
	if strings.Contains(strings.ToLower(text), "busy") {
		return unix.EBUSY
	}
	return errors.New(text)
}

// holders cannot be told here.
func holders(string) []holder { return nil }
