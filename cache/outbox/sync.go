package outbox

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/s3share/s3share/cache/outbox/journal"
)

// Sync returns when the staged bytes, what the journal has of them, and the names of both are on
// the local disk. The caller returns an error to a program.
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
	small, seq := it.inSlot(), it.bytesSeq()
	if err := it.stage.Sync(); err != nil {
		if it.ended() {
			return nil // delivered meanwhile
		}
		return err
	}
	if err := it.noteSynced(seq); err != nil {
		return err
	}
	if small && !it.inSlot() {
		return it.sync() // its bytes are in a file since
	}
	return it.syncJournal()
}

// syncHeld is sync for a caller who need not have the staged bytes open.
func (it *Item) syncHeld() error {
	if it.stage == nil || it.onDisk() {
		return nil
	}
	if err := it.stage.Open(); err != nil {
		return err
	}
	defer it.stage.Close()
	return it.sync()
}

func (it *Item) bytesSeq() uint64 { return it.stage.BytesChanges() }

// noteSynced journals what is staged. It is on the disk, but for what was changed since bytesSeq
// was seq.
func (it *Item) noteSynced(seq uint64) error {
	it.changing.Lock()
	defer it.changing.Unlock()
	it.lasting.Store(true)
	boot := it.o.boot
	if it.bytesSeq() == seq {
		boot = ""
		it.synced.Store(seq + 1)
	}
	if !it.sealed.Load() {
		// its bytes are kept, as those of an interrupted file
		return it.note(it.sealRecord(journal.OpWrite, boot))
	}
	err := it.note(it.sealRecord(journal.OpSeal, boot))
	if err == nil && boot == "" {
		it.sealedOnDisk.Store(it.seq() + 1)
	}
	return err
}

// syncOverSeal returns when what happened to the item since it was sealed on the disk is on the
// disk as well: before S3 gets the new content, or the content at a new key. Else a process after a
// power loss would deliver the old content.
func (it *Item) syncOverSeal() error {
	sealed := it.sealedOnDisk.Load()
	it.logMu.Lock()
	known, renamed := it.onDiskN == it.lines, len(it.keys) > 0
	it.logMu.Unlock()
	if sealed == 0 || known || !renamed && sealed == it.seq()+1 {
		return nil
	}
	return it.syncJournal()
}

// onDisk reports whether the bytes, as they are, were synced.
func (it *Item) onDisk() bool { return it.synced.Load() == it.bytesSeq()+1 }

// syncJournal returns when all lines of the item's journal are on the disk, and the names of its
// files.
func (it *Item) syncJournal() error {
	it.logMu.Lock()
	it.lasting.Store(true)
	n, lines, ended, small := len(it.keys), it.lines, it.logGone, it.slot != nil
	it.logMu.Unlock()
	if ended {
		return nil
	}
	if small {
		if err := it.o.syncSlots(); err != nil {
			return err
		}
	} else if err := it.syncFiles(); err != nil {
		return err
	}
	it.logMu.Lock()
	moved := small && it.slot == nil && !it.logGone
	if !moved {
		it.keys = it.keys[min(n, len(it.keys)):]
		it.onDiskN = max(it.onDiskN, lines)
	}
	it.logMu.Unlock()
	if moved {
		return it.syncJournal() // it has a file since
	}
	return nil
}

// syncFiles is syncJournal for an item that has files of its own.
func (it *Item) syncFiles() error {
	err := syncPath(it.path + journal.Suffix)
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

// unsynced reports whether a line of the journal that need not be on the disk yet gave the item a
// key with this prefix, or took one from it.
func (it *Item) unsynced(prefix string) bool {
	it.logMu.Lock()
	defer it.logMu.Unlock()
	return slices.ContainsFunc(it.keys, func(key string) bool {
		return strings.HasPrefix(key, prefix)
	})
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
	for _, it := range o.Items() {
		if it.unsynced(prefix) {
			if err := it.syncJournal(); err != nil {
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

// lasts reports whether something of the item may have to survive a power loss: it was synced or
// closed, or has existed for so long that the kernel may have written it to the disk.
func (it *Item) lasts() bool { return it.lasting.Load() || time.Since(it.begun) > writtenBack }

// writtenBack is the least time in which bytes reach a disk that nobody synced.
// Source: Linux, Documentation/admin-guide/sysctl/vm.rst, dirty_writeback_centisecs,
// which has 5 s; a journal of ext4 is committed as often.
const writtenBack = time.Second

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
