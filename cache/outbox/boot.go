package outbox

import (
	"os"
	"path/filepath"

	"github.com/s3share/s3share/cache/outbox/journal"
)

// bootName is the file that names the boot in which the outbox was used last.
const bootName = "boot"

// boots knows in which boot of the machine, and on which disk, an outbox is used, and was used
// last.
type boots struct {
	path string // of the file
	now  string // see journal.Boot
}

// bootsOf returns the boots of the outbox in dir.
func bootsOf(dir string) boots { return boots{filepath.Join(dir, bootName), journal.Boot(dir)} }

// isNow reports whether unsynced bytes recorded under boot are still there. Earlier versions
// recorded the boot without the disk.
func (b boots) isNow(boot string) bool { return boot == b.now || boot == journal.BootID() }

// rebooted reports whether there may have been another boot since the outbox was used last.
func (b boots) rebooted() bool {
	last, err := os.ReadFile(b.path)
	return err != nil || string(last) != b.now
}

// note notes that the outbox is used in this boot. Where that does not reach the disk, it counts as
// another's.
func (b boots) note() error {
	if !b.rebooted() {
		return nil
	}
	return os.WriteFile(b.path, []byte(b.now), 0o600)
}
