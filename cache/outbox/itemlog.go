package outbox

import (
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/s3share/s3share/cache/extent"
	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/cache/outbox/stage"
)

// itemLog is the journal of an item, and what of the item is on the disk. It is in the item's slot,
// or in a file. Its methods may be called by any goroutine.
type itemLog struct {
	dir   *journalDir
	path  string       // of the staged file
	stage *stage.Stage // nil for a directory marker
	begun time.Time

	sealed atomic.Bool // the last record of the journal is a seal: the item is closed and complete
	named  atomic.Bool // the names of both files are on the disk
	// lasting is set once something of the item may have to survive a power loss.
	lasting atomic.Bool
	// synced is the stage's count of changes of the bytes that are on the disk, plus one; 0 for
	// none.
	synced atomic.Uint64
	// sealedOnDisk is the stage's count of changes, plus one, at a seal that is on the disk: a
	// later process would deliver that content, even after a power loss. 0 for none.
	sealedOnDisk atomic.Uint64

	// mu orders the lines, and guards the fields below. It is taken while the stage is locked, and
	// before the lock of the staged file.
	mu      sync.Mutex
	ended   bool
	slot    *stage.Slot // of the journal and of the staged bytes; nil: they have files
	left    *stage.Slot // that they have left, and whose journal could not be removed; nil for none
	removed bool        // the staged bytes were removed
	// unremoved is set if the journal has ended and could not be removed.
	unremoved bool
	key       string           // of the item, as the lines say
	logged    extent.Set       // ranges over the base that the journal knows to be staged
	lines     int              // written so far
	late      []journal.Record // of what has happened, and the disk has refused
	onDiskN   int              // those of them that are on the disk
	// keys are those that lines have given to the item or taken from it, of lines that need not
	// be on the disk yet.
	keys []string
}

// note appends records. An error is the local disk's.
func (l *itemLog) note(recs ...journal.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.noteLocked(recs)
}

// noteOrLater is note of what has happened already. What the disk refuses is appended later, before
// any other record; the error is that of the first attempt.
func (l *itemLog) noteOrLater(rec journal.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.noteLocked([]journal.Record{rec})
	if err != nil {
		l.late = append(l.late, rec)
		l.dir.wakeSyncer()
	}
	return err
}

// noteLate appends what the disk has refused before.
func (l *itemLog) noteLate() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.late) == 0 {
		return nil
	}
	recs := l.late
	l.late = nil
	err := l.noteLocked(recs)
	if err != nil {
		l.late = recs
	}
	return err
}

func (l *itemLog) noteLocked(recs []journal.Record) error {
	if l.ended {
		return nil
	}
	failpoint("journal " + recs[0].Op)
	lines, err := journal.Encode(append(slices.Clip(l.late), recs...))
	if err != nil {
		return err
	}
	if err := l.appendLocked(lines, recs[0].Op == journal.OpCreate); err != nil {
		return err
	}
	switch key := recs[0].Key; recs[0].Op {
	case journal.OpCreate:
		l.keys, l.key = append(l.keys, key), key
	case journal.OpRename:
		l.keys, l.key = append(l.keys, l.key, key), key
	}
	l.lines += len(l.late) + len(recs)
	l.late = nil
	failpoint("journaled " + recs[0].Op)
	return nil
}

// appendLocked appends lines, of which the first creates the item if begins is set.
func (l *itemLog) appendLocked(lines []byte, begins bool) error {
	if l.slot != nil {
		if err := l.slot.AppendLog(lines); err != stage.ErrSlotFull {
			return err
		}
		if err := l.spillLocked(); err != nil {
			return err
		}
	} else if begins {
		l.dir.recycler.Reuse(l.path + journal.Suffix)
	}
	create := 0 // a journal that somebody removed gets no second beginning
	if begins {
		create = os.O_CREATE
	}
	return journal.AppendLines(l.path+journal.Suffix, lines, create)
}

// noteWrite journals that [off, end) is staged, unless the journal knows that. An empty range is
// journaled too: the time has changed.
func (l *itemLog) noteWrite(off, end int64) error {
	l.mu.Lock()
	known := off < end && l.logged.Has(off, end)
	l.mu.Unlock()
	if known {
		return nil
	}
	err := l.note(journal.Record{Op: journal.OpWrite, Dirty: [][2]int64{{off, end}}})
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.logged.Add(off, end)
	return nil
}

// noteSize journals the size, and how much of the base is left.
func (l *itemLog) noteSize(size, valid int64) error {
	if err := l.note(journal.Record{Op: journal.OpTruncate, Size: size, Valid: valid}); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.logged.Cut(size)
	return nil
}

// inSlot reports whether the item is in a slot, and has no files.
func (l *itemLog) inSlot() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.slot != nil
}

// breakSeal overwrites the last seal in the journal, so that the file does not count as closed, if
// no line can be appended.
func (l *itemLog) breakSeal() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.sealed.Load() || l.ended {
		return nil
	}
	lines, err := l.linesLocked()
	if err != nil {
		return err
	}
	open, at := journal.Unsealed(lines)
	if open == nil {
		return nil
	}
	if err := l.overwriteLocked(open, at); err != nil {
		return err
	}
	l.sealed.Store(false)
	return nil
}

// linesLocked returns the lines of the journal.
func (l *itemLog) linesLocked() ([]byte, error) {
	if l.slot != nil {
		return l.slot.Log()
	}
	return os.ReadFile(l.path + journal.Suffix)
}

// overwriteLocked overwrites the journal at off.
func (l *itemLog) overwriteLocked(line []byte, off int64) error {
	if l.slot != nil {
		return l.slot.OverwriteLog(line, off)
	}
	return journal.Overwrite(l.path+journal.Suffix, line, off)
}

// unsynced reports whether a line that need not be on the disk yet gave the item a key with this
// prefix, or took one from it.
func (l *itemLog) unsynced(prefix string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.keys, func(key string) bool {
		return strings.HasPrefix(key, prefix)
	})
}

// lasts reports whether something of the item may have to survive a power loss: it was synced or
// closed, or has existed for so long that the kernel may have written it to the disk.
func (l *itemLog) lasts() bool { return l.lasting.Load() || time.Since(l.begun) > writtenBack }

// writtenBack is the least time in which bytes reach a disk that nobody synced.
// Source: Linux, Documentation/admin-guide/sysctl/vm.rst, dirty_writeback_centisecs,
// which has 5 s; a journal of ext4 is committed as often.
const writtenBack = time.Second
