package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// clockTick is the unit of times in /proc, in seconds. Linux tells user space
// 100 Hz on every machine that Go runs on (sysconf(_SC_CLK_TCK)).
const clockTick = 0.01

// usage is what a process and its descendants have used.
type usage struct {
	cpu      float64 // seconds, user and system, ended children included
	peak     int64   // peak resident set in bytes, summed over the living
	rss      int64   // resident set in bytes now, in the same way
	switches int64   // how often their threads went to sleep by themselves
}

// usageOf reads pid's usage from /proc. It fails when pid is gone.
func usageOf(pid int) (usage, error) {
	children := make(map[int][]int)
	cpus := make(map[int]float64)
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return usage{}, err
	}
	for _, d := range dirs {
		p, _ := strconv.Atoi(filepath.Base(d)) // the pattern lets nothing else in
		b, err := os.ReadFile(d + "/stat")
		if err != nil {
			continue // gone meanwhile
		}
		// Fields are counted after the command's name, which may hold anything:
		// 3 is the first, ppid is 4, and utime, stime, cutime, cstime are 14 to 17.
		f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		if len(f) < 15 {
			continue
		}
		ppid, _ := strconv.Atoi(f[1])
		children[ppid] = append(children[ppid], p)
		for _, t := range f[11:15] {
			n, _ := strconv.ParseInt(t, 10, 64)
			cpus[p] += float64(n) * clockTick
		}
	}
	if _, ok := cpus[pid]; !ok {
		return usage{}, fmt.Errorf("process %d is gone", pid)
	}
	var sum usage
	for todo := []int{pid}; len(todo) > 0; {
		p := todo[len(todo)-1]
		todo = append(todo[:len(todo)-1], children[p]...)
		sum.cpu += cpus[p]
		sum.peak += int64(status("/proc/"+strconv.Itoa(p), "VmHWM")) << 10
		sum.rss += int64(status("/proc/"+strconv.Itoa(p), "VmRSS")) << 10
		tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", p))
		if err != nil {
			return usage{}, err
		}
		for _, t := range tasks {
			sum.switches += int64(status(t, "voluntary_ctxt_switches"))
		}
	}
	return sum, nil
}

// status is a number in the status of a process or thread, 0 when it is gone.
func status(dir, name string) int {
	b, err := os.ReadFile(dir + "/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			// The kernel writes numbers.
			n, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			return n
		}
	}
	return 0
}
