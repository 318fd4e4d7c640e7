package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// holders finds who holds the mount on dir, as far as /proc lets this user see. It
// only reads links there, so that nothing is asked of the mount.
func holders(dir string) []holder {
	procs, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var all []holder
	for _, p := range procs {
		pid, err := strconv.Atoi(p.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		if h, ok := holds(pid, dir); ok {
			all = append(all, h)
		}
	}
	return all
}

func holds(pid int, dir string) (holder, bool) {
	base := filepath.Join("/proc", strconv.Itoa(pid))
	found := func(link string) (string, bool) {
		path, err := os.Readlink(filepath.Join(base, link))
		return path, err == nil && within(path, dir)
	}
	h := holder{PID: pid}
	ok := false
	if h.Path, ok = found("cwd"); ok {
		h.Cwd = true
	}
	for _, link := range []string{"root", "exe"} {
		if !ok {
			h.Path, ok = found(link)
		}
	}
	for _, list := range []string{"fd", "map_files"} {
		if ok {
			break
		}
		entries, err := os.ReadDir(filepath.Join(base, list))
		if err != nil {
			continue
		}
		for _, e := range entries {
			if h.Path, ok = found(filepath.Join(list, e.Name())); ok {
				break
			}
		}
	}
	if !ok {
		return holder{}, false
	}
	name, err := os.ReadFile(filepath.Join(base, "comm"))
	if err != nil {
		return holder{}, false
	}
	h.Name = strings.TrimSpace(string(name))
	return h, true
}
