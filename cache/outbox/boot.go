package outbox

import (
	"os"
	"path/filepath"

	"github.com/s3share/s3share/cache/outbox/journal"
)

// bootName is the file that names the boot in which the outbox was used last.
const bootName = "boot"

// sameBoot reports whether unsynced bytes recorded under boot are still there. Earlier versions
// recorded the boot without the disk.
func (o *Outbox) sameBoot(boot string) bool { return boot == o.boot || boot == journal.BootID() }

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
