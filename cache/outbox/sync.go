package outbox

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// Sync returns when the staged bytes are on the local disk, what the journal says of
// them, and the names of both. The caller tells a program of an error.
func (it *Item) Sync() error {
	if it.stage == nil {
		return it.syncJournal()
	}
	err := it.sync()
	if err != nil {
		it.Refuse(err)
	}
	return err
}

func (it *Item) sync() error {
	small, seq := it.small(), it.seq()
	if err := it.stage.sync(); err != nil {
		return err
	}
	if err := it.noteSynced(seq); err != nil {
		return err
	}
	if small && !it.small() {
		return it.sync() // its bytes are in a file since
	}
	return it.syncJournal()
}

// noteSynced has the journal say what is staged. What was changed since seq need not be on
// the disk.
func (it *Item) noteSynced(seq uint64) error {
	it.changing.Lock()
	defer it.changing.Unlock()
	boot := ""
	if it.seq() != seq {
		boot = bootID()
	}
	op := opSeal
	if !it.sealed.Load() {
		op = opWrite // still open: its bytes are kept, as those of an interrupted file
	}
	return it.note(it.sealRecord(op, boot))
}

// syncJournal returns when all lines of the item's journal are on the disk, and the
// names of its files.
func (it *Item) syncJournal() error {
	it.logMu.Lock()
	n, ended, small := len(it.keys), it.logGone, it.place != nil
	it.logMu.Unlock()
	if ended {
		return nil
	}
	if small {
		if err := it.o.syncTray(); err != nil {
			return err
		}
	} else if err := it.syncFiles(); err != nil {
		return err
	}
	it.logMu.Lock()
	moved := small && it.place == nil && !it.logGone
	if !moved {
		it.keys = it.keys[min(n, len(it.keys)):]
	}
	it.logMu.Unlock()
	if moved {
		return it.syncJournal() // it has a file since
	}
	return nil
}

// syncFiles is syncJournal for an item that has files of its own.
func (it *Item) syncFiles() error {
	err := syncPath(it.path + logSuffix)
	if errors.Is(err, fs.ErrNotExist) && it.ended() {
		return nil // delivered meanwhile
	}
	if err != nil || it.named.Load() {
		return err
	}
	if err := syncDir(it.o.cfg.Dir); err != nil {
		return err
	}
	it.named.Store(true)
	return nil
}

func (it *Item) ended() bool {
	it.logMu.Lock()
	defer it.logMu.Unlock()
	return it.logGone
}

// unsynced reports whether the journal gave the item a key with this prefix, or took
// one from it, by a line that need not be on the disk yet.
func (it *Item) unsynced(prefix string) bool {
	it.logMu.Lock()
	defer it.logMu.Unlock()
	return slices.ContainsFunc(it.keys, func(key string) bool { return strings.HasPrefix(key, prefix) })
}

// SyncNames returns when everything that was created, renamed or removed at keys with
// this prefix is on the local disk, as the journals have it: a process that begins
// after a power loss knows of it. It does not sync the bytes of files: Item.Sync does.
func (o *Outbox) SyncNames(prefix string) error {
	ended := o.ended.Swap(false)
	err := o.syncNames(prefix, ended)
	if err != nil && ended {
		o.ended.Store(true)
	}
	return err
}

func (o *Outbox) syncNames(prefix string, ended bool) error {
	for _, it := range o.Items() {
		if it.unsynced(prefix) {
			if err := it.syncJournal(); err != nil {
				return err
			}
		}
	}
	if err := o.removals.sync(); err != nil {
		return err
	}
	if !ended {
		return nil
	}
	// Journals have ended: those in the tray by being overwritten, the others by
	// losing their names.
	if err := o.tray.Sync(); err != nil {
		return err
	}
	return syncDir(o.cfg.Dir)
}

// syncTray returns when all that is in the tray is on the disk, and its name.
func (o *Outbox) syncTray() error {
	if err := o.tray.Sync(); err != nil || o.trayNamed.Load() {
		return err
	}
	if err := syncDir(o.cfg.Dir); err != nil {
		return err
	}
	o.trayNamed.Store(true)
	return nil
}

// sync returns when the journal of the removals is on the disk.
func (r *removals) sync() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.unsynced {
		return nil
	}
	err := syncPath(r.log)
	if err == nil || errors.Is(err, fs.ErrNotExist) { // it ends when nothing is left
		err = syncDir(r.o.cfg.Dir)
	}
	r.unsynced = err != nil
	return err
}

// syncAll has the bytes of files in the outbox's directory written to the disk, and then
// their names.
func (o *Outbox) syncAll(paths ...string) error {
	for _, path := range paths {
		if err := syncPath(path); err != nil {
			return err
		}
	}
	return syncDir(o.cfg.Dir)
}

// syncPath has a file's bytes written to the disk.
func syncPath(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// syncDir has the names in a directory written to the disk.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
