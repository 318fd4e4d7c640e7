package outbox

import (
	"os"

	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/cache/outbox/stage"
)

// note appends to the item's journal. The caller does not hold mu. A failure is
// the local disk's; what it means is for the caller to say.
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
		it.o.spares.Reuse(it.path + journal.Suffix)
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

// eraseLog ends the journal: nothing is owed any more. Before that the staged file gets
// the name of one that is done, so that at no instant there are bytes of which nobody
// knows whether they were delivered. It returns that name, "" for an item without a
// file.
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
	it.o.ended.Store(true)
	if it.folder || it.synced.Load() > 0 {
		defer it.o.endedOnDisk()
	}
	if it.slot == nil {
		failpoint("bytes done")
		it.o.spares.Retire(it.path + journal.Suffix)
	} else if err := it.slot.EndLog(); err != nil {
		it.o.log.Error("after the end of this process a file that was delivered is owed again", "staged", it.path, "err", err)
	}
	failpoint("journal ended")
	return done
}
