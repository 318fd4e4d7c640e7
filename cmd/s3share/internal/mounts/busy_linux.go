package mounts

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// scanPatience is how long the answers of /proc are waited for. Asking about a
// process that is itself stuck in the kernel can take as long as that is.
const scanPatience = 2 * time.Second

// Holders finds who holds the mount on dir, as far as /proc lets this user see and
// tells in scanPatience. It only reads links there, so that nothing is asked of the
// mount. Files that are mapped and closed are not among them: the list of maps
// cannot be read while their process waits for a page, perhaps of this very mount.
func Holders(dir string) []Holder {
	procs, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	type answer struct {
		Holder
		ok bool
	}
	answers := make(chan answer, len(procs)) // nobody may wait for those who are late
	asked := 0
	for _, p := range procs {
		pid, err := strconv.Atoi(p.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		asked++
		go func() {
			h, ok := holds(pid, dir)
			answers <- answer{h, ok}
		}()
	}
	var all []Holder
	late := time.After(scanPatience)
	for range asked {
		select {
		case a := <-answers:
			if a.ok {
				all = append(all, a.Holder)
			}
			continue
		case <-late:
		}
		break
	}
	slices.SortFunc(all, func(a, b Holder) int { return a.PID - b.PID })
	return all
}

func holds(pid int, dir string) (Holder, bool) {
	base := filepath.Join("/proc", strconv.Itoa(pid))
	found := func(link string) (string, bool) {
		path, err := os.Readlink(filepath.Join(base, link))
		return path, err == nil && Within(path, dir)
	}
	h := Holder{PID: pid}
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
	if !ok {
		return Holder{}, false
	}
	name, err := os.ReadFile(filepath.Join(base, "comm"))
	if err != nil {
		return Holder{}, false
	}
	h.Name = strings.TrimSpace(string(name))
	return h, true
}
