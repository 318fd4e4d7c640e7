package fs

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"strings"
)

// raiseReadAhead lets the kernel read further ahead on the mount with this device, in
// KiB. Only root may; without it reads are slower, and right.
func raiseReadAhead(device string, kib int, log *slog.Logger) {
	path := fmt.Sprintf("/sys/class/bdi/%s/read_ahead_kb", device)
	if err := os.WriteFile(path, []byte(fmt.Sprint(kib)), 0); err != nil {
		log.Debug("the kernel reads ahead as it does by default", "err", err)
	}
}

// mountedAt is the device of what is mounted last at an absolute path without links, as
// "0:57"; "" if that is not to be had. The mount is found without touching it: this
// process serves it.
func mountedAt(place string) (device string) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "" // not Linux
	}
	for line := range bytes.Lines(mounts) {
		// 36 35 98:0 / /mnt rw ... : the third is the device, the fifth the place.
		// Source: proc_pid_mountinfo(5).
		fields := strings.Fields(string(line))
		if len(fields) > 4 && unescapeMount(fields[4]) == place {
			device = fields[2]
		}
	}
	return device
}

// unescapeMount undoes the octal escapes of mountinfo.
func unescapeMount(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}
