package outbox

import (
	"log/slog"
	"os"
	"path/filepath"

	"github.com/s3share/s3share/cache/outbox/journal"
)

// Sync returns when the staged bytes, what the journal has of them, and the names of both are on
// the local disk. The caller returns an error to a program.
func (it *Item) Sync() error {
	if it.stage == nil {
		return it.log.sync()
	}
	err := it.sync()
	if err != nil {
		it.Refuse(err)
	}
	return err
}

func (it *Item) sync() error {
	small, seq := it.log.inSlot(), it.stage.BytesChanges()
	if err := it.stage.Sync(); err != nil {
		if it.log.hasEnded() {
			return nil // delivered meanwhile
		}
		return err
	}
	if err := it.noteSynced(seq); err != nil {
		return err
	}
	if small && !it.log.inSlot() {
		return it.sync() // its bytes are in a file since
	}
	return it.log.sync()
}

// syncHeld is sync for a caller who need not have the staged bytes open.
func (it *Item) syncHeld() error {
	if it.stage == nil || it.log.hasBytesOnDisk() {
		return nil
	}
	if err := it.stage.Open(); err != nil {
		return err
	}
	defer it.stage.Close()
	return it.sync()
}

// noteSynced journals what is staged. It is on the disk, but for what was changed since bytesSeq
// was seq.
func (it *Item) noteSynced(seq uint64) error {
	it.changing.Lock()
	defer it.changing.Unlock()
	it.log.lasting.Store(true)
	boot := it.o.boot
	if it.stage.BytesChanges() == seq {
		boot = ""
		it.log.synced.Store(seq + 1)
	}
	if !it.log.sealed.Load() {
		// its bytes are kept, as those of an interrupted file
		return it.log.note(it.sealRecord(journal.OpWrite, boot))
	}
	err := it.log.note(it.sealRecord(journal.OpSeal, boot))
	if err == nil && boot == "" {
		it.log.sealedOnDisk.Store(it.seq() + 1)
	}
	return err
}

// SyncNames returns when everything that was created, renamed or removed at keys with this prefix
// is on the local disk: a process after a power loss knows of it. It does not sync the bytes of
// files; Item.Sync does.
func (o *Outbox) SyncNames(prefix string) error {
	ended := o.journalEnded.Swap(false)
	err := o.syncNames(prefix, ended)
	if err != nil && ended {
		o.journalEnded.Store(true)
	}
	return err
}

func (o *Outbox) syncNames(prefix string, ended bool) error {
	if err := o.endJournals(prefix); err != nil {
		return err
	}
	for _, it := range o.Items() {
		if it.log.unsynced(prefix) {
			if err := it.log.sync(); err != nil {
				return err
			}
		}
	}
	if !ended {
		return o.removals.sync()
	}
	return o.syncEnds()
}

// syncMade syncs the names of a new outbox's directory and of its parents, which may be as new, so
// that what is synced in it later can be found. Not every file system can.
func syncMade(dir string, log *slog.Logger) {
	if _, err := os.Lstat(filepath.Join(dir, bootName)); err == nil {
		return // it was used before
	}
	for dir, err := filepath.Abs(dir); err == nil; dir = filepath.Dir(dir) {
		if err := syncDir(dir); err != nil {
			log.Debug("a directory cannot be synced", "dir", dir, "err", err)
		}
		if dir == filepath.Dir(dir) {
			return
		}
	}
}

// syncSlots returns when the slot file and its name are on the disk.
func (o *Outbox) syncSlots() error {
	if err := o.slots.Sync(); err != nil || o.slotFileNamed.Load() {
		return err
	}
	if err := syncDir(o.cfg.Dir); err != nil {
		return err
	}
	o.slotFileNamed.Store(true)
	return nil
}

// syncAll syncs files in the outbox's directory, and then their names.
func (o *Outbox) syncAll(paths ...string) error {
	for _, path := range paths {
		if err := syncPath(path); err != nil {
			return err
		}
	}
	return syncDir(o.cfg.Dir)
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
