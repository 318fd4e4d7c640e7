package mounts

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/s3share/s3share/cmd/s3share/internal/hint"
)

const installHint = "install FUSE 3: apt-get install fuse3, or dnf install fuse3"

// CheckKernel returns an error with a hint if this user cannot mount by FUSE here, or, with
// allowOther, cannot let other users see the mount.
func CheckKernel(allowOther bool) error {
	switch _, err := os.Stat("/dev/fuse"); {
	case errors.Is(err, fs.ErrNotExist):
		return hint.With(errors.New("there is no /dev/fuse"),
			"load the kernel's module: modprobe fuse; a container needs --device /dev/fuse --cap-add SYS_ADMIN")
	case err != nil:
		return hint.WithoutPath(err)
	}
	if os.Geteuid() == 0 {
		return nil
	}
	if unix.Access("/dev/fuse", unix.R_OK|unix.W_OK) != nil {
		return hint.With(errors.New("you may not open /dev/fuse"),
			"root can let everybody open it: chmod 666 /dev/fuse")
	}
	if _, err := fusermount(); err != nil {
		return hint.With(err, installHint)
	}
	if allowOther && !allowsOther("/etc/fuse.conf") {
		return hint.With(errors.New("allow_other is not permitted here"),
			"root can permit it by a line user_allow_other in /etc/fuse.conf")
	}
	return nil
}

// allowsOther reports whether the configuration of fusermount in file permits allow_other.
func allowsOther(file string) bool {
	data, err := os.ReadFile(file)
	if err != nil {
		return false
	}
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		if strings.TrimSpace(lines.Text()) == "user_allow_other" {
			return true
		}
	}
	return false
}

// fusermount returns the path of the set-user-ID helper that mounts for users.
func fusermount() (string, error) {
	for _, name := range []string{"fusermount3", "fusermount"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("fusermount3 is missing, and without it only root can mount")
}

// How [Unmount] treats a mount that is in use: it fails, or takes the mount from its users.
const (
	IfIdle = false
	Lazy   = true
)

// Unmount undoes the mount on dir, a resolved path. If lazy is [IfIdle] and the mount is in
// use, it returns unix.EBUSY.
func Unmount(dir string, lazy bool) error {
	flags, short := unix.UMOUNT_NOFOLLOW, "-u"
	if lazy {
		flags, short = flags|unix.MNT_DETACH, "-uz"
	}
	err := unix.Unmount(dir, flags)
	if !errors.Is(err, unix.EPERM) {
		return err
	}
	helper, err := fusermount()
	if err != nil {
		return hint.With(err, installHint)
	}
	out, err := exec.Command(helper, short, dir).CombinedOutput() // #nosec G204 -- fusermount, without a shell
	if err == nil {
		return nil
	}
	text := strings.TrimSpace(string(bytes.TrimPrefix(out, []byte("fusermount3: "))))
	if strings.HasSuffix(text, "busy") {
		return unix.EBUSY
	}
	return fmt.Errorf("%s", text)
}
