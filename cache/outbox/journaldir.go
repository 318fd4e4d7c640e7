package outbox

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/cache/outbox/stage"
	"github.com/s3share/s3share/cache/slotfile"
)

// journalDir is the directory of an outbox, with what its journals have in common. It knows no
// items.
type journalDir struct {
	path     string
	log      *slog.Logger
	slots    *slotfile.File // of small new files
	recycler *journal.Recycler
	unended  unended // journals
	nextID   atomic.Uint64

	slotFileNamed atomic.Bool // the name of the slot file is on the disk
	ended         atomic.Bool // journals have ended since the last SyncNames
	// endsToSync is set if some of these were on the disk; see syncidle.go.
	endsToSync atomic.Bool
	syncerWake chan struct{}
}

// newPath returns the path of a new staged file.
func (d *journalDir) newPath() string {
	return filepath.Join(d.path, fmt.Sprintf("%d-%d", time.Now().UnixNano(), d.nextID.Add(1)))
}

// slotFilePath returns the path of the slot file of the outbox in dir.
func slotFilePath(dir string) string { return filepath.Join(dir, stage.SlotFileName) }

// close closes the slot file, and removes what is not needed any more.
func (d *journalDir) close() {
	d.recycler.Clear()
	if d.slots.Close(); d.slots.InUse() == 0 {
		os.Remove(slotFilePath(d.path))
	}
}

// wakeSyncer starts the wait for the next syncIdle: an item was closed, or a journal has ended.
func (d *journalDir) wakeSyncer() {
	select {
	case d.syncerWake <- struct{}{}:
	default: // it will be called
	}
}

// endedOnDisk records that a journal has ended that is on the disk. Until its end is there too, the
// item comes back after a power loss.
func (d *journalDir) endedOnDisk() {
	d.endsToSync.Store(true)
	d.wakeSyncer()
}

// syncEnds syncs the ends of journals: in slots they are overwritten, files have lost their names.
func (d *journalDir) syncEnds() error {
	if err := d.slots.Sync(); err != nil {
		return err
	}
	return syncDir(d.path)
}

// syncSlots returns when the slot file and its name are on the disk.
func (d *journalDir) syncSlots() error {
	if err := d.slots.Sync(); err != nil || d.slotFileNamed.Load() {
		return err
	}
	if err := syncDir(d.path); err != nil {
		return err
	}
	d.slotFileNamed.Store(true)
	return nil
}

// syncAll syncs files in the directory, and then their names.
func (d *journalDir) syncAll(paths ...string) error {
	for _, path := range paths {
		if err := syncPath(path); err != nil {
			return err
		}
	}
	return syncDir(d.path)
}

// syncPath syncs the bytes of a file.
func syncPath(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// syncDir syncs the names in a directory.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
