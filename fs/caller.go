package fs

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"

	"github.com/hanwen/go-fuse/v2/fuse"
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
