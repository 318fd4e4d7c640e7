package outbox

import (
	"errors"
	"os"

	"github.com/s3share/s3share/cache/outbox/journal"
)

// spill moves an item from its slot to files of its own, since its bytes or its journal need
// more. If the process is killed at any instant, either the slot or the files have all of it.
// The files are on the disk before the slot is freed, if the slot may be.
func (l *itemLog) spill() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.spillLocked()
}

// spillLocked is spill. The caller holds mu.
func (l *itemLog) spillLocked() error {
	p, path := l.slot, l.path+journal.Suffix
	if p == nil {
		return nil
	}
	err := l.stage.MoveToFile(func() error {
		failpoint("staged apart")
		if l.ended {
			return nil
		}
		lines, err := p.Log()
		if err != nil {
			return err
		}
		l.dir.recycler.Reuse(path)
		err = journal.AppendLines(path, lines, os.O_CREATE)
		if err == nil && l.lasts() {
			err = l.dir.syncAll(l.path, path)
			l.named.Store(err == nil)
		}
		if err != nil {
			return errors.Join(err, os.Remove(path))
		}
		return nil
	})
	if err != nil {
		return err
	}
	failpoint("journaled apart")
	l.slot = nil
	l.left = p
	if err := l.freeLeftLocked(); err != nil {
		l.dir.unended.add(l)
		l.dir.wakeSyncer()
	}
	return nil
}
