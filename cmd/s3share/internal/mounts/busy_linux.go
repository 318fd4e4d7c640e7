package mounts

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/s3share/s3share/fs/arrival"
)

// scanTimeout bounds the wait for answers from /proc. A question about a process that is
// stuck in the kernel may take as long as the process is stuck.
const scanTimeout = 2 * time.Second

// Users returns the processes that use the mount on dir, by PID, without this one, and without the
// daemon's helper, which releases the mount before it is undone: those that /proc shows to this
// user within scanTimeout. It reads only /proc and makes no request to the mount, so it returns
// even if the mount hangs. It does not find files that are mapped and closed: the maps of a process
// cannot be read while the process waits for a page, perhaps of this mount.
func Users(dir string) []User {
	procs, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	type answer struct {
		User
		ok bool
	}
	// With room for all: nobody receives the answers that come after the timeout.
	answers := make(chan answer, len(procs))
	asked := 0
	for _, p := range procs {
		pid, err := strconv.Atoi(p.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		asked++
		go func() {
			h, ok := userOf(pid, dir)
			answers <- answer{h, ok}
		}()
	}
	var all []User
	late := time.After(scanTimeout)
	for range asked {
		select {
		case a := <-answers:
			if a.ok {
				all = append(all, a.User)
			}
			continue
		case <-late:
		}
		break
	}
	slices.SortFunc(all, func(a, b User) int { return a.PID - b.PID })
	return all
}

// userOf returns how the process pid uses the mount on dir; false if it does not.
func userOf(pid int, dir string) (User, bool) {
	base := filepath.Join("/proc", strconv.Itoa(pid))
	found := func(link string) (string, bool) {
		path, err := os.Readlink(filepath.Join(base, link))
		return path, err == nil && Within(path, dir)
	}
	h := User{PID: pid}
	ok := false
	if h.Path, ok = found("cwd"); ok {
		h.Cwd = true
	}
	for _, link := range []string{"root", "exe"} {
		if !ok {
			h.Path, ok = found(link)
		}
	}
	if !ok {
		entries, _ := os.ReadDir(filepath.Join(base, "fd")) // of other users: none
		for _, e := range entries {
			if h.Path, ok = found(filepath.Join("fd", e.Name())); ok {
				break
			}
		}
	}
	if !ok || isHelper(base) {
		return User{}, false
	}
	name, err := os.ReadFile(filepath.Join(base, "comm"))
	if err != nil {
		return User{}, false
	}
	h.Name = strings.TrimSpace(string(name))
	return h, true
}

// isHelper reports whether the process with this directory in /proc announces arrivals.
func isHelper(base string) bool {
	line, err := os.ReadFile(filepath.Join(base, "cmdline"))
	return err == nil &&
		arrival.IsHelper(strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00"))
}
