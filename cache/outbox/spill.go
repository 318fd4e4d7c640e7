package outbox

import (
	"errors"
	"os"

	"github.com/s3share/s3share/cache/outbox/journal"
)

// spill moves an item from its slot to files of its own, since its bytes or its journal need
// more. If the process is killed at any instant, either the slot or the files have all of it.
// The files are on the disk before the slot is freed, if the slot may be.
func (it *Item) spill() error {
	it.logMu.Lock()
	defer it.logMu.Unlock()
	return it.spillLocked()
}

// spillLocked is spill. The caller holds logMu.
func (it *Item) spillLocked() error {
	p, log := it.slot, it.path+journal.Suffix
	if p == nil {
		return nil
	}
	err := it.stage.MoveToFile(func() error {
		failpoint("staged apart")
		if it.logGone {
			return nil
		}
		lines, err := p.Log()
		if err != nil {
			return err
		}
		it.o.recycler.Reuse(log)
		err = journal.AppendLines(log, lines, os.O_CREATE)
		if err == nil && it.lasts() {
			err = it.o.syncAll(it.path, log)
			it.named.Store(err == nil)
		}
		if err != nil {
			return errors.Join(err, os.Remove(log))
		}
		return nil
	})
	if err != nil {
		return err
	}
	failpoint("journaled apart")
	it.slot = nil
	p.EndLog()
	p.Free()
	return nil
}
