package outbox

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/cache/outbox/stage"
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
		it.o.spares.Reuse(log)
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

// movedOut settles what is in a place and in files as well: the item was moved to them
// and the place not given up, or so it is on the disk. It reports whether the files
// have all of it; then the place is given up. Else they are out of the way.
func (r *recovery) movedOut(p *stage.Slot, path string, lines []byte) bool {
	name := filepath.Base(path)
	at, hasLog := slices.BinarySearch(r.inv.journals, name)
	_, hasBytes := slices.BinarySearch(r.inv.staged, name)
	_, ended := slices.BinarySearch(r.inv.done, name)
	if ended && !hasBytes {
		return r.giveUp(p)
	}
	if !hasLog && !hasBytes {
		return false
	}
	log, err := os.ReadFile(path + journal.Suffix)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		r.o.log.Error("a journal cannot be read; what its place in the tray says counts", "journal", path+journal.Suffix, "err", err)
	}
	recs, _, _ := journal.ScanLines(bytes.NewReader(lines), "")
	kept := stage.OpenFile(path, p, stagedSize(recs), nil).Bytes()
	info, err := os.Stat(path)
	if err == nil && bytes.HasPrefix(log, lines) && (len(log) > len(lines) || info.Size() > int64(len(kept))) {
		return r.giveUp(p) // it was written after it had moved
	}
	if hasLog {
		r.inv.journals = slices.Delete(r.inv.journals, at, at+1)
	}
	r.setAside(path, lines, log, kept)
	return false
}

// giveUp ends a place that was moved to files, and reports true.
func (r *recovery) giveUp(p *stage.Slot) bool {
	if err := p.EndLog(); err != nil {
		r.o.log.Error("a place of the tray cannot be given up", "place", p.N, "err", err)
	} else {
		p.Free()
	}
	return true
}

// setAside has the files at path out of the way of the item that is still in its place:
// they are removed as far as they hold nothing that the place does not, else they get
// another name, under which they are told.
func (r *recovery) setAside(path string, lines, log, kept []byte) {
	other := r.o.newPath()
	if bytes.HasPrefix(lines, log) {
		journal.Remove(path + journal.Suffix)
	} else if err := os.Rename(path+journal.Suffix, other+journal.Suffix+damagedSuffix); err == nil {
		r.inv.quarantined = append(r.inv.quarantined, filepath.Base(other)+journal.Suffix+damagedSuffix)
	}
	at, there := slices.BinarySearch(r.inv.staged, filepath.Base(path))
	if !there {
		return
	}
	r.inv.staged = slices.Delete(r.inv.staged, at, at+1)
	if b, err := os.ReadFile(path); err == nil && bytes.HasPrefix(kept, b) {
		os.Remove(path)
	} else if err := os.Rename(path, other); err == nil {
		r.inv.staged = append(r.inv.staged, filepath.Base(other))
		slices.Sort(r.inv.staged)
	}
}

// stagedSize is how many bytes the journal of a new file tells of.
func stagedSize(recs []journal.Record) int64 {
	it, content := new(Item), new(stage.Snapshot)
	for _, r := range recs {
		it.replay(content, r)
	}
	return min(content.Size, stage.SlotPayload)
}
