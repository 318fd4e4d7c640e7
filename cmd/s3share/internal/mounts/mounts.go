// Package mounts is what the kernel shows of mounts and what it lets us do with them: which
// are ours, which are dead, who keeps one busy, whether one can be made on a directory,
// and how one is undone. It neither knows settings nor asks a daemon. What it asks about
// a mount comes back even where the mount is dead.
package mounts

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/s3share/s3share/cmd/s3share/internal/hint"
)

const (
	// ourType is how mount(8) shows the type of our mounts.
	ourType = "fuse.s3share"
	// SourcePrefix begins the source of our mounts, also where types are not shown.
	SourcePrefix = "s3share:"
)

// Ours tells whether m is a mount of s3share.
func Ours(m *mountinfo.Info) bool {
	return m.FSType == ourType || strings.HasPrefix(m.Source, SourcePrefix)
}

// OwnerOf is the user who mounted m, -1 if the kernel does not tell.
func OwnerOf(m *mountinfo.Info) int {
	for option := range strings.SplitSeq(m.VFSOptions, ",") {
		if id, ok := strings.CutPrefix(option, "user_id="); ok {
			if n, err := strconv.Atoi(id); err == nil {
				return n
			}
		}
	}
	return -1
}

// MountAt is the topmost mount exactly on dir, nil if there is none. It asks
// nothing of what is mounted, so that it returns on a dead mount as well.
func MountAt(dir string) (*mountinfo.Info, error) {
	return lastMount(func(m *mountinfo.Info) (skip, stop bool) { return m.Mountpoint != dir, false })
}

// MountAround is the mount that holds the directory above dir.
func MountAround(dir string) (*mountinfo.Info, error) {
	parent := filepath.Dir(dir)
	var longest string
	_, err := lastMount(func(m *mountinfo.Info) (skip, stop bool) {
		if Within(parent, m.Mountpoint) && len(m.Mountpoint) >= len(longest) {
			longest = m.Mountpoint
		}
		return true, false
	})
	if err != nil || longest == "" {
		return nil, err
	}
	return MountAt(longest)
}

// OurMounts are all mounts of s3share.
func OurMounts() ([]*mountinfo.Info, error) {
	return mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) { return !Ours(m), false })
}

func lastMount(filter mountinfo.FilterFunc) (*mountinfo.Info, error) {
	found, err := mountinfo.GetMounts(filter)
	if err != nil {
		return nil, fmt.Errorf("cannot read the list of mounts: %w", err)
	}
	if len(found) == 0 {
		return nil, nil
	}
	return found[len(found)-1], nil
}

// Within tells whether path is dir or below it.
func Within(path, dir string) bool {
	return path == dir || dir == "/" || strings.HasPrefix(path, dir+"/")
}

// Dead tells whether the daemon behind the mount on dir is gone: the kernel says
// so to whoever asks for anything. Only a live daemon can keep the answer waiting.
func Dead(dir string) bool {
	answer := make(chan error, 1)
	go func() {
		var st unix.Statfs_t // the attributes of a Stat may come from the kernel's cache
		answer <- unix.Statfs(dir, &st)
	}()
	select {
	case err := <-answer:
		return errors.Is(err, unix.ENOTCONN) || errors.Is(err, unix.ECONNABORTED)
	case <-time.After(deadPatience):
		return false
	}
}

// ResolveDir is dir as the list of mounts names it. The last element is looked at
// only as far as a dead mount there does not hinder.
func ResolveDir(dir string) (string, error) {
	abs, err := Absolute(dir)
	if err != nil {
		return "", err
	}
	parent, err := filepath.EvalSymlinks(filepath.Dir(abs))
	if err != nil {
		return "", fmt.Errorf("%s: %w", abs, hint.WithoutPath(err))
	}
	direct := filepath.Join(parent, filepath.Base(abs))
	if m, err := MountAt(direct); err != nil || m != nil {
		return direct, err
	}
	if real, err := filepath.EvalSymlinks(direct); err == nil {
		return real, nil
	}
	return direct, nil
}

// RealPath is a path with the symbolic links resolved of what there is of it.
func RealPath(path string) string {
	for p := path; p != "/" && p != "."; p = filepath.Dir(p) {
		if real, err := filepath.EvalSymlinks(p); err == nil {
			return filepath.Join(real, path[len(p):])
		}
	}
	return path
}

// Absolute makes a path independent of the working directory; ~/ is the home.
func Absolute(p string) (string, error) {
	if rest, ok := strings.CutPrefix(p, "~"); ok && (rest == "" || rest[0] == '/') {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("cannot tell what %q is: %w", p, err)
		}
		p = filepath.Join(home, rest)
	}
	return filepath.Abs(p)
}

// deadPatience is how long a live mount may take to show that it lives.
const deadPatience = 3 * time.Second
