package fs

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/s3share/s3share/cache"
)

// callerTID is the thread that a request comes from, as the kernel names it; 0
// stands for nobody that can be seen from here.
func callerTID(ctx context.Context) int {
	caller, ok := fuse.FromContext(ctx)
	if !ok {
		return 0
	}
	return int(caller.Pid)
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

// sameProcess tells whether two threads are of one process. The first may have
// ended; the second waits for us.
func sameProcess(tid, waiting int) bool {
	if tid == waiting {
		return true
	}
	pid := processOf(waiting)
	if tid == pid {
		return true
	}
	_, err := os.Stat(fmt.Sprintf("/proc/%d/task/%d", pid, tid))
	return err == nil
}

// pfExiting is set in a process's flags while it ends.
// Source: linux/sched.h, PF_EXITING.
const pfExiting = 0x4

// lookDeadline bounds a look into /proc while the process looked at waits for us. A
// process in the midst of execve(2) closes files under a lock that some of /proc
// takes as well: it goes on when it has our answer, and so does the look.
const lookDeadline = 100 * time.Millisecond

// closing tells how a descriptor is closed of a file that the thread opener has
// opened at path. A process that a signal is ending closes its files because it
// must, not because it is done. Where that cannot be seen in time, it says so: the
// release of the last one follows.
func closing(ctx context.Context, opener int, path string) cache.Closing {
	tid := callerTID(ctx)
	if tid == 0 || !sameProcess(opener, tid) {
		return cache.Closing{Last: tid == opener}
	}
	seen := make(chan cache.Closing, 1)
	go func() {
		open, some := hasOpen(tid, path)
		killed := false
		if !some { // it may have closed its last one itself
			stat, err := statOf(tid)
			killed = err == nil && endedBySignal(stat)
		}
		seen <- cache.Closing{Killed: killed, Last: !killed && !open}
	}()
	t := time.NewTimer(lookDeadline)
	defer t.Stop()
	select {
	case by := <-seen:
		return by
	case <-t.C:
		return cache.Closing{Unsure: true}
	}
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
