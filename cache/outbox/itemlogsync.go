package outbox

import (
	"errors"
	"io/fs"

	"github.com/s3share/s3share/cache/outbox/journal"
)

// sync returns when all lines of the journal are on the disk, and the names of the item's files.
func (l *itemLog) sync() error {
	l.mu.Lock()
	l.lasting.Store(true)
	n, lines, ended, small := len(l.keys), l.lines, l.ended, l.slot != nil
	l.mu.Unlock()
	if ended {
		return nil
	}
	if small {
		if err := l.dir.syncSlots(); err != nil {
			return err
		}
	} else if err := l.syncFiles(); err != nil {
		return err
	}
	l.mu.Lock()
	moved := small && l.slot == nil && !l.ended
	if !moved {
		l.keys = l.keys[min(n, len(l.keys)):]
		l.onDiskN = max(l.onDiskN, lines)
	}
	l.mu.Unlock()
	if moved {
		return l.sync() // it has a file since
	}
	return nil
}

// syncFiles is sync for an item that has files of its own.
func (l *itemLog) syncFiles() error {
	err := syncPath(l.path + journal.Suffix)
	if errors.Is(err, fs.ErrNotExist) && l.hasEnded() {
		return nil // delivered meanwhile
	}
	if err != nil || l.named.Load() {
		return err
	}
	if err := syncDir(l.dir.path); err != nil {
		return err
	}
	l.named.Store(true)
	return nil
}

// syncOverSeal returns when what happened to the item since it was sealed on the disk is on the
// disk as well: before S3 gets the new content, or the content at a new key. Else a process after a
// power loss would deliver the old content. seq is the stage's count of changes.
func (l *itemLog) syncOverSeal(seq uint64) error {
	sealed := l.sealedOnDisk.Load()
	l.mu.Lock()
	known, renamed := l.onDiskN == l.lines, len(l.keys) > 0
	l.mu.Unlock()
	if sealed == 0 || known || !renamed && sealed == seq+1 {
		return nil
	}
	return l.sync()
}

// hasBytesOnDisk reports whether the staged bytes, as they are, were synced.
func (l *itemLog) hasBytesOnDisk() bool { return l.synced.Load() == l.stage.BytesChanges()+1 }
