package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

const (
	// ourType is how mount(8) shows the type of our mounts.
	ourType = "fuse.s3share"
	// sourcePrefix begins the source of our mounts, also where types are not shown.
	sourcePrefix = "s3share:"
)

// ours tells whether m is a mount of s3share.
func ours(m *mountinfo.Info) bool {
	return m.FSType == ourType || strings.HasPrefix(m.Source, sourcePrefix)
}

// ownerOf is the user who mounted m, -1 if the kernel does not tell.
func ownerOf(m *mountinfo.Info) int {
	for option := range strings.SplitSeq(m.VFSOptions, ",") {
		if id, ok := strings.CutPrefix(option, "user_id="); ok {
			if n, err := strconv.Atoi(id); err == nil {
				return n
			}
		}
	}
	return -1
}

// mountAt is the topmost mount exactly on dir, nil if there is none. It asks
// nothing of what is mounted, so that it returns on a dead mount as well.
func mountAt(dir string) (*mountinfo.Info, error) {
	return lastMount(func(m *mountinfo.Info) (skip, stop bool) { return m.Mountpoint != dir, false })
}

// mountAround is the mount that holds the directory above dir.
func mountAround(dir string) (*mountinfo.Info, error) {
	parent := filepath.Dir(dir)
	var longest string
	_, err := lastMount(func(m *mountinfo.Info) (skip, stop bool) {
		if within(parent, m.Mountpoint) && len(m.Mountpoint) >= len(longest) {
			longest = m.Mountpoint
		}
		return true, false
	})
	if err != nil || longest == "" {
		return nil, err
	}
	return mountAt(longest)
}

// ourMounts are all mounts of s3share.
func ourMounts() ([]*mountinfo.Info, error) {
	return mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) { return !ours(m), false })
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

// within tells whether path is dir or below it.
func within(path, dir string) bool {
	return path == dir || dir == "/" || strings.HasPrefix(path, dir+"/")
}

// dead tells whether the daemon behind the mount on dir is gone: the kernel says
// so to whoever asks for anything. Only a live daemon can keep the answer waiting.
func dead(dir string) bool {
	answer := make(chan error, 1)
	go func() {
		var st unix.Statfs_t // the attributes of a Stat may come from the kernel's cache
		answer <- unix.Statfs(dir, &st)
	}()
	select {
	case err := <-answer:
		return errors.Is(err, unix.ENOTCONN) || errors.Is(err, unix.ECONNABORTED)
	case <-after(deadPatience):
		return false
	}
}

// resolveDir is dir as the list of mounts names it. The last element is looked at
// only as far as a dead mount there does not hinder.
func resolveDir(dir string) (string, error) {
	abs, err := absolute(dir)
	if err != nil {
		return "", err
	}
	parent, err := filepath.EvalSymlinks(filepath.Dir(abs))
	if err != nil {
		return "", fmt.Errorf("%s: %w", abs, rootCause(err))
	}
	direct := filepath.Join(parent, filepath.Base(abs))
	if m, err := mountAt(direct); err != nil || m != nil {
		return direct, err
	}
	if real, err := filepath.EvalSymlinks(direct); err == nil {
		return real, nil
	}
	return direct, nil
}
