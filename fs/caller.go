package fs

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/s3share/s3share/cache"
)

// callerPID is the process that a request comes from. The kernel names the thread;
// 0 stands for nobody that can be seen from here.
func callerPID(ctx context.Context) int {
	caller, ok := fuse.FromContext(ctx)
	if !ok || caller.Pid == 0 {
		return 0
	}
	return processOf(int(caller.Pid))
}

// processOf is the process of a thread, or the thread itself where that is not to
// be had.
func processOf(tid int) int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", tid))
	if err != nil {
		return tid
	}
	for line := range bytes.Lines(status) {
		if rest, ok := bytes.CutPrefix(line, []byte("Tgid:")); ok {
			if pid, err := strconv.Atoi(string(bytes.TrimSpace(rest))); err == nil {
				return pid
			}
		}
	}
	return tid
}

// pfExiting is set in a process's flags while it ends.
// Source: linux/sched.h, PF_EXITING.
const pfExiting = 0x4

// closing tells who closes a descriptor of the file at path, and how. A process that
// a signal is ending closes its files because it must, not because it is done.
// Where that cannot be seen, it is taken to be done.
func closing(ctx context.Context, path string) cache.Closing {
	caller, ok := fuse.FromContext(ctx)
	if !ok || caller.Pid == 0 {
		return cache.Closing{}
	}
	by := cache.Closing{PID: processOf(int(caller.Pid))}
	if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", caller.Pid)); err == nil {
		by.Killed = endedBySignal(string(stat))
	}
	if !by.Killed {
		by.More = hasOpen(by.PID, path)
	}
	return by
}

// hasOpen tells whether a process has a descriptor of the file at path, below
// whatever mountpoint: to ask which would lead back here.
func hasOpen(pid int, path string) bool {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	fds, err := os.Open(dir)
	if err != nil {
		return false
	}
	defer fds.Close()
	names, err := fds.Readdirnames(-1)
	if err != nil {
		return false
	}
	for _, name := range names {
		if link, err := os.Readlink(dir + "/" + name); err == nil && strings.HasSuffix(link, "/"+path) {
			return true
		}
	}
	return false
}

// endedBySignal reads /proc/PID/stat: the ninth field holds the flags, the last the
// exit code in the form of waitpid(2), whose low seven bits are the signal.
// Source: proc_pid_stat(5).
func endedBySignal(stat string) bool {
	_, rest, ok := strings.Cut(stat, ") ") // the name, in brackets, may hold anything
	for ok && strings.Contains(rest, ") ") {
		_, rest, _ = strings.Cut(rest, ") ")
	}
	fields := strings.Fields(rest) // from the third on
	if len(fields) < 50 {
		return false
	}
	flags, err := strconv.ParseUint(fields[6], 10, 64)
	if err != nil || flags&pfExiting == 0 {
		return false
	}
	code, err := strconv.Atoi(fields[49])
	return err == nil && code&0x7f != 0
}
