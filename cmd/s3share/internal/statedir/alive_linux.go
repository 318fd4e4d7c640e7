package statedir

import (
	"bytes"
	"fmt"
	"os"
)

// processStart returns when a process began, in the kernel's clock ticks since boot; "" if
// there is none, or it has ended and nobody has asked for its exit code. It tells apart two
// processes with the same PID. Source: proc_pid_stat(5), starttime and state.
func processStart(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, behindName, ok := bytes.Cut(stat[max(0, bytes.LastIndexByte(stat, ')')):], []byte(") "))
	const before = 22 - 3 // fields between the name and starttime
	fields := bytes.Fields(behindName)
	if !ok || len(fields) <= before || bytes.ContainsAny(fields[0], "ZXx") {
		return ""
	}
	return string(fields[before])
}
