package outbox

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// bootName is the file that names the boot in which the outbox was used last.
const bootName = "boot"

// bootOf names the time for which bytes that were written to dir, and not synced, are
// there whatever becomes of this process: from the boot of the machine, or from when
// the disk was attached to it, until the one is stopped or the other taken away.
func bootOf(dir string) string {
	if seq := diskSequence(dir); seq != "" {
		return bootID() + "/" + seq
	}
	return bootID()
}

// bootID tells one boot of the machine from another.
var bootID = sync.OnceValue(func() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "unknown" // the staged bytes are trusted, as any local file's
	}
	return strings.TrimSpace(string(b))
})

// diskSequence is the number that the kernel gave to the disk of dir when it was
// attached, which no other gets until the next boot; "" where there is none to be had,
// as on a network.
// Source: Linux, Documentation/ABI/stable/sysfs-block, diskseq.
func diskSequence(dir string) string {
	var st unix.Stat_t
	if unix.Stat(dir, &st) != nil {
		return ""
	}
	device := fmt.Sprintf("/sys/dev/block/%d:%d", unix.Major(uint64(st.Dev)), unix.Minor(uint64(st.Dev)))
	for _, disk := range []string{device, device + "/.."} { // of a partition it is its disk's
		if seq, err := os.ReadFile(disk + "/diskseq"); err == nil {
			return strings.TrimSpace(string(seq))
		}
	}
	return ""
}

// sameBoot reports whether what a record of this boot speaks of is there. An earlier
// version knew nothing of disks.
func (o *Outbox) sameBoot(boot string) bool { return boot == o.boot || boot == bootID() }

// rebooted reports whether there may have been another boot since the outbox was used
// last.
func (o *Outbox) rebooted() bool {
	last, err := os.ReadFile(o.bootPath())
	return err != nil || string(last) != o.boot
}

// noteBoot notes that the outbox is used in this boot. Where that does not reach the
// disk, it counts as another's.
func (o *Outbox) noteBoot() error {
	if !o.rebooted() {
		return nil
	}
	return os.WriteFile(o.bootPath(), []byte(o.boot), 0o600)
}

func (o *Outbox) bootPath() string { return filepath.Join(o.cfg.Dir, bootName) }
