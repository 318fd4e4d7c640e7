package journal

import (
	"fmt"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Boot returns a name for the time in which bytes that were written to dir, and not synced,
// are there whatever happens to this process. It begins when the machine boots, or when the
// disk is attached, and ends when the machine stops or the disk is detached.
func Boot(dir string) string {
	if seq := diskSequence(dir); seq != "" {
		return BootID() + "/" + seq
	}
	return BootID()
}

// BootID returns the identity of this boot of the machine.
var BootID = sync.OnceValue(func() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "unknown" // the staged bytes are trusted, as any local file's
	}
	return strings.TrimSpace(string(b))
})

// diskSequence returns the number that the kernel gave to the disk of dir when it was
// attached. No other disk gets it until the next boot. It is "" if there is none, as for a
// network file system.
// Source: Linux, Documentation/ABI/stable/sysfs-block, diskseq.
func diskSequence(dir string) string {
	var st unix.Stat_t
	if unix.Stat(dir, &st) != nil {
		return ""
	}
	device := fmt.Sprintf("/sys/dev/block/%d:%d", unix.Major(uint64(st.Dev)),
		unix.Minor(uint64(st.Dev)))
	for _, disk := range []string{device, device + "/.."} { // of a partition it is its disk's
		if seq, err := os.ReadFile(disk + "/diskseq"); err == nil {
			return strings.TrimSpace(string(seq))
		}
	}
	return ""
}
