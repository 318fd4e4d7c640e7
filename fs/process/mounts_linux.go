package process

import (
	"bytes"
	"os"
	"strconv"
	"strings"
)

// deviceOf is the device of the mount with this id, as the process sees it; "" where it
// does not.
func deviceOf(pid int, mount string) string {
	mounts, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/mountinfo")
	if err != nil {
		return ""
	}
	for line := range bytes.Lines(mounts) {
		// 36 35 98:0 / /mnt rw ... : the first is the id, the third the device.
		// Source: proc_pid_mountinfo(5).
		fields := strings.Fields(string(line))
		if len(fields) > 2 && fields[0] == mount {
			return fields[2]
		}
	}
	return ""
}
