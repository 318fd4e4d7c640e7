// Package mounts reads the kernel's list of mounts and undoes mounts: which are mounts of
// s3share, which are dead, which processes keep one busy, and whether a directory can be a
// mountpoint. It knows no settings and asks no daemon. Its functions return even if the
// daemon of a mount is gone or hangs.
package mounts

import (
	"errors"
	"fmt"
	"io/fs"
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
	// fsType is how mount(8) shows the type of our mounts.
	fsType = "fuse.s3share"
	// SourcePrefix begins the source of our mounts. It marks them where the type is not shown.
	SourcePrefix = "s3share:"
)

// IsOurs reports whether m is a mount of s3share.
func IsOurs(m *mountinfo.Info) bool {
	return m.FSType == fsType || strings.HasPrefix(m.Source, SourcePrefix)
}

// Owner returns the UID of the user who mounted m, -1 if the kernel does not show it.
func Owner(m *mountinfo.Info) int {
	for option := range strings.SplitSeq(m.VFSOptions, ",") {
		if id, ok := strings.CutPrefix(option, "user_id="); ok {
			if n, err := strconv.Atoi(id); err == nil {
				return n
			}
		}
	}
	return -1
}

// At returns the topmost mount exactly on dir, nil if there is none. It asks nothing of the
// mounted file system, so it returns even if that is dead.
func At(dir string) (*mountinfo.Info, error) {
	return topMount(func(m *mountinfo.Info) (skip, stop bool) { return m.Mountpoint != dir, false })
}

// Around returns the mount that contains the parent directory of dir, nil if there is none.
func Around(dir string) (*mountinfo.Info, error) {
	parent := filepath.Dir(dir)
	var longest string
	_, err := topMount(func(m *mountinfo.Info) (skip, stop bool) {
		if Within(parent, m.Mountpoint) && len(m.Mountpoint) >= len(longest) {
			longest = m.Mountpoint
		}
		return true, false
	})
	if err != nil || longest == "" {
		return nil, err
	}
	return At(longest)
}

// All returns all mounts of s3share, of all users.
func All() ([]*mountinfo.Info, error) {
	return mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) {
		return !IsOurs(m), false
	})
}

// topMount returns the last mount in the kernel's list that filter does not skip, nil for none.
func topMount(filter mountinfo.FilterFunc) (*mountinfo.Info, error) {
	found, err := mountinfo.GetMounts(filter)
	if err != nil {
		return nil, fmt.Errorf("cannot read the list of mounts: %w", err)
	}
	if len(found) == 0 {
		return nil, nil
	}
	return found[len(found)-1], nil
}

// Within reports whether path is dir or below it. Both are clean absolute paths.
func Within(path, dir string) bool {
	return path == dir || dir == "/" || strings.HasPrefix(path, dir+"/")
}

// IsDead reports whether the daemon behind the mount on dir is gone: the kernel then refuses
// every request. Only a live daemon can delay the answer, so after deadTimeout it is false.
func IsDead(dir string) bool {
	answer := make(chan bool, 1)
	go func() { answer <- Answers(dir) }()
	select {
	case answers := <-answer:
		return !answers
	case <-time.After(deadTimeout):
		return false
	}
}

// Answers waits for what is mounted on dir to answer, for as long as that takes, and reports
// whether its daemon is there. An error of the file system is an answer, too.
func Answers(dir string) bool {
	var st unix.Statfs_t // the attributes of a Stat may come from the kernel's cache
	err := unix.Statfs(dir, &st)
	return !errors.Is(err, unix.ENOTCONN) && !errors.Is(err, unix.ECONNABORTED)
}

// ResolveDir returns dir as the kernel's list of mounts names it: absolute, with symbolic
// links resolved. It does not resolve the last element if a mount is on it, since that
// mount may be dead.
func ResolveDir(dir string) (string, error) {
	abs, err := AbsPath(dir)
	if err != nil {
		return "", err
	}
	parent, err := filepath.EvalSymlinks(filepath.Dir(abs))
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("there is no directory %s", filepath.Dir(abs))
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", filepath.Dir(abs), hint.WithoutPath(err))
	}
	direct := filepath.Join(parent, filepath.Base(abs))
	if m, err := At(direct); err != nil || m != nil {
		return direct, err
	}
	if real, err := filepath.EvalSymlinks(direct); err == nil {
		return real, nil
	}
	return direct, nil
}

// ResolveExisting resolves the symbolic links in the longest part of path that exists.
func ResolveExisting(path string) string {
	for p := path; p != "/" && p != "."; p = filepath.Dir(p) {
		if real, err := filepath.EvalSymlinks(p); err == nil {
			return filepath.Join(real, path[len(p):])
		}
	}
	return path
}

// AbsPath returns p as an absolute path. A ~ at its start, alone or before a slash, is the
// home directory.
func AbsPath(p string) (string, error) {
	if rest, ok := strings.CutPrefix(p, "~"); ok && (rest == "" || rest[0] == '/') {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("cannot tell what %q is: %w", p, err)
		}
		p = filepath.Join(home, rest)
	}
	return filepath.Abs(p)
}

// deadTimeout bounds the wait of [IsDead] for an answer.
const deadTimeout = 3 * time.Second
