//go:build !linux

package mounts

import (
	"errors"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"
)

// CheckKernel returns nil: nothing can be checked before the mount itself.
func CheckKernel(bool) error { return nil }

// How [Unmount] treats a mount that is in use: it fails, or takes the mount from its users.
const (
	IfIdle = false
	Lazy   = true
)

// Unmount undoes the mount on dir, a resolved path. If lazy is [IfIdle] and the mount is in
// use, it returns unix.EBUSY.
func Unmount(dir string, lazy bool) error {
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

// Users returns nil: this system does not show who uses a mount.
func Users(string) []User { return nil }
