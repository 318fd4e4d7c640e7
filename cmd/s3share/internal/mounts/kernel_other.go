//go:build !linux

package mounts

import (
	"errors"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"
)

// CheckKernel has nothing to look at before the mount itself.
func CheckKernel(bool) error { return nil }

// How a mount is undone: only when it is idle, or from whoever holds it.
const (
	WhenIdle = false
	Lazily   = true
)

// Detach undoes the mount on dir. It returns unix.EBUSY if it is in use and lazy
// is not set.
func Detach(dir string, lazy bool) error {
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

// Holders cannot be told here.
func Holders(string) []Holder { return nil }
