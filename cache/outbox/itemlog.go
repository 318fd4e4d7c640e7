package outbox

import (
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/s3share/s3share/cache/extent"
	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/cache/outbox/stage"
)

// itemJournal is the journal of an item, and what of it is on the disk.
type itemJournal struct {
	sealed atomic.Bool // the last record of the journal is a seal: the item is closed and complete
	named  atomic.Bool // the names of both files are on the disk
	begun  time.Time
	// lasting is set once something of the item may have to survive a power loss.
	lasting atomic.Bool
	// synced is the stage's count of changes of the bytes that are on the disk, plus one; 0 for
	// none.
	synced atomic.Uint64
	// sealedOnDisk is the stage's count of changes, plus one, at a seal that is on the disk: a
	// later process would deliver that content, even after a power loss. 0 for none.
	sealedOnDisk atomic.Uint64

	// logMu orders the lines, and guards the fields below.
	logMu   sync.Mutex
	logGone bool
	slot    *stage.Slot // of the journal and of the staged bytes; nil: they have files
	logged  extent.Set  // ranges over the base that the journal knows to be staged
	lines   int         // written so far
	onDiskN int         // those of them that are on the disk
	// keys are those that lines have given to the item or taken from it, of lines that need not
	// be on the disk yet.
	keys []string
}

// note appends to the item's journal. The caller does not hold mu. An error is the local disk's.
func (it *Item) note(recs ...journal.Record) error {
	var keys []string
	if op := recs[0].Op; op == journal.OpCreate || op == journal.OpRename {
		keys = []string{it.Key(), recs[0].Key}
	}
	it.logMu.Lock()
	defer it.logMu.Unlock()
	if it.logGone {
		return nil
	}
	failpoint("journal " + recs[0].Op)
	lines, err := journal.Encode(recs)
	if err != nil {
		return err
	}
	err = stage.ErrSlotFull
	if it.slot != nil {
		if err = it.slot.AppendLog(lines); err == stage.ErrSlotFull {
			if err := it.spillLocked(); err != nil {
				return err
			}
		}
	} else if recs[0].Op == journal.OpCreate {
		it.o.recycler.Reuse(it.path + journal.Suffix)
	}
	if err == stage.ErrSlotFull {
		create := 0 // a journal that somebody removed gets no second beginning
		if recs[0].Op == journal.OpCreate {
			create = os.O_CREATE
		}
		err = journal.AppendLines(it.path+journal.Suffix, lines, create)
	}
	if err != nil {
		return err
	}
	it.keys = append(it.keys, keys...)
	it.lines += len(recs)
	failpoint("journaled " + recs[0].Op)
	return nil
}

// eraseLog ends the journal: the item is not pending any more. Before that, the staged file gets a
// name with stage.DonePrefix, so that at no instant there are bytes of which it is unknown whether
// they were delivered. It returns that name, "" for an item without a file.
func (it *Item) eraseLog() (done string) {
	it.logMu.Lock()
	defer it.logMu.Unlock()
	if it.stage != nil {
		done = it.stage.MarkDone()
	}
	if it.logGone {
		return done
	}
	it.logGone = true
	it.o.journalEnded.Store(true)
	if it.folder || it.synced.Load() > 0 {
		defer it.o.endedOnDisk()
	}
	if it.slot == nil {
		failpoint("bytes done")
		it.o.recycler.Retire(it.path + journal.Suffix)
	} else if err := it.slot.EndLog(); err != nil {
		it.o.log.Error("after the end of this process a file that was delivered would be pending again",
			"staged", it.path, "err", err)
	}
	failpoint("journal ended")
	return done
}
