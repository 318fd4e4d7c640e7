package outbox

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/cache/outbox/stage"
)

// end ends the journal: the item is not pending any more. Before that, the staged file gets a
// name with stage.DonePrefix, so that at no instant there are bytes of which it is unknown whether
// they were delivered. It returns that name, "" for an item without a file. What the disk refuses
// is tried again; see unended.
func (l *itemLog) end() (done string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stage != nil {
		done = l.stage.MarkDone()
	}
	if l.ended {
		return done
	}
	l.ended = true
	l.dir.ended.Store(true)
	if l.stage == nil || l.synced.Load() > 0 {
		defer l.dir.endedOnDisk()
	}
	if l.slot == nil {
		failpoint("bytes done")
	}
	if err := l.removeJournalLocked(); err != nil {
		l.dir.log.Error(
			"after the end of this process a file that was delivered would be pending again",
			"staged", l.path, "err", err)
		l.unremoved = true
		l.dir.unended.add(l)
		l.dir.wakeSyncer()
		done = "" // the name marks the journal as ended
	}
	failpoint("journal ended")
	return done
}

// removeJournalLocked removes the journal, and what is left of it in a slot.
func (l *itemLog) removeJournalLocked() error {
	var err error
	if l.slot == nil {
		err = l.dir.recycler.Retire(l.path + journal.Suffix)
	} else {
		err = l.slot.EndLog()
	}
	return errors.Join(err, l.freeLeftLocked())
}

// freeLeftLocked frees the slot that the item has left.
func (l *itemLog) freeLeftLocked() error {
	if l.left == nil {
		return nil
	}
	if err := l.left.EndLog(); err != nil {
		return err
	}
	l.left.Free()
	l.left = nil
	return nil
}

// removeBytes removes the staged bytes. The staged file stays, without them, while its name marks
// the journal as ended.
func (l *itemLog) removeBytes() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.removed = true
	if !l.unremoved || l.slot != nil {
		l.stage.Remove()
	} else if path := l.stage.MarkDone(); path == l.mark() {
		_ = os.Truncate(path, 0) // or it keeps some space for a while
	}
}

// mark returns the path of the file that marks the journal as ended while it is there.
func (l *itemLog) mark() string {
	dir, name := filepath.Split(l.path)
	return filepath.Join(dir, stage.DonePrefix+name)
}

// hasEnded reports whether the journal has ended.
func (l *itemLog) hasEnded() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ended
}

// endAgain tries again to end the journal, if its last key is chosen. If it cannot be removed, a
// file marks it as ended. It reports whether the journal was removed; the error is nil if it counts
// as ended.
func (l *itemLog) endAgain(chosen func(key string) bool) (key string, removed bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !chosen(l.key) {
		return l.key, false, nil
	}
	if !l.ended { // only the slot that it has left
		return l.key, l.freeLeftLocked() == nil, nil
	}
	if err = l.removeJournalLocked(); err == nil {
		switch {
		case l.stage == nil || l.removed && l.slot != nil:
			os.Remove(l.mark())
		case l.removed:
			l.stage.Remove()
		}
		if l.removed && l.slot != nil {
			l.slot.Free()
		}
		l.unremoved = false
		return l.key, true, nil
	}
	if l.stage != nil && l.slot == nil {
		if l.stage.MarkDone() == l.mark() {
			err = nil
		}
		return l.key, false, err
	}
	f, merr := os.OpenFile(l.mark(), os.O_WRONLY|os.O_CREATE, 0o600)
	if merr != nil {
		return l.key, false, err
	}
	return l.key, false, f.Close()
}
