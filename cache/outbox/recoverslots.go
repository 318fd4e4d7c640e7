package outbox

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/cache/outbox/stage"
)

// recoverSlots recovers the items that are in slots. They stay there.
func (r *recovery) recoverSlots() {
	for n := range r.o.journals.slots.Len() {
		p, lines, err := stage.OpenSlot(r.o.journals.slots, n)
		switch {
		case err != nil:
			r.o.unreadables.add(Status{Key: stage.SlotFileName,
				Reason: fmt.Sprintf("slot %d of %s cannot be read: %v",
					n, shownPath(slotFilePath(r.o.cfg.Dir)),
					err)}, slotFilePath(r.o.cfg.Dir))
		case len(lines) == 0:
			_ = r.o.journals.slots.Punch(n) // what cannot be given back to the disk is used again
		default:
			r.recoverSlot(p, lines)
		}
	}
}

// recoverSlot recovers the item in a slot whose journal has these lines.
func (r *recovery) recoverSlot(p *stage.Slot, lines []byte) {
	recs, whole, err := journal.ScanLines(bytes.NewReader(lines),
		fmt.Sprintf("slot %d of %s", p.N, slotFilePath(r.o.cfg.Dir)))
	if err == journal.ErrCut {
		err = errNoBegin
		if len(recs) > 0 {
			err = p.CutLog(int(whole))
		}
	}
	path := r.o.journals.newPath()
	if len(recs) > 0 && stagedName.MatchString(recs[0].Name) {
		path = filepath.Join(r.o.cfg.Dir, recs[0].Name)
	}
	if r.resolveSpill(p, path, lines) {
		return // recoverFiles has it
	}
	if err == nil {
		err = checkBegin(recs)
	}
	if errors.Is(err, journal.ErrNewer) {
		r.o.log.Error("a journal cannot be read", "err", err)
		r.o.unreadables.add(Status{Key: keyOf(recs, stage.SlotFileName), Size: stagedSize(recs),
			Reason: "its journal is of a newer s3share, and is kept with its bytes in " +
				shownPath(slotFilePath(r.o.cfg.Dir))}, slotFilePath(r.o.cfg.Dir))
		return
	}
	if err == nil {
		err = r.recoverItem(journaled{path, p, recs})
	}
	if err != nil {
		r.quarantineSlot(p, path, recs, lines, err)
	}
}

// resolveSpill decides between a slot and files of the same item: the item was moved to files, and
// the slot was not freed, at least on the disk. If the files have all of it, the slot is freed, and
// resolveSpill reports true. Else the files are moved out of the way.
func (r *recovery) resolveSpill(p *stage.Slot, path string, lines []byte) bool {
	name := filepath.Base(path)
	at, hasLog := slices.BinarySearch(r.inv.journals, name)
	_, hasBytes := slices.BinarySearch(r.inv.staged, name)
	if at, ended := slices.BinarySearch(r.inv.done, name); ended && !hasBytes {
		if !r.freeSlot(p) {
			r.inv.done = slices.Delete(r.inv.done, at, at+1) // it stays marked as ended
		}
		return true
	}
	if !hasLog && !hasBytes {
		return false
	}
	log, err := os.ReadFile(path + journal.Suffix)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		r.o.log.Error("a journal cannot be read; its slot counts", "journal", path+journal.Suffix,
			"err", err)
	}
	recs, _, _ := journal.ScanLines(bytes.NewReader(lines), "")
	kept := stage.OpenFile(path, p, stagedSize(recs), nil).Bytes()
	info, err := os.Stat(path)
	if err == nil && bytes.HasPrefix(log, lines) &&
		(len(log) > len(lines) || info.Size() > int64(len(kept))) {
		if !r.freeSlot(p) { // it was written after it had moved
			r.left[name] = p
		}
		return true
	}
	if hasLog {
		r.inv.journals = slices.Delete(r.inv.journals, at, at+1)
	}
	r.setFilesAside(path, lines, log, kept)
	return false
}

// freeSlot frees a slot whose item was moved to files, or has ended. It reports whether it could.
func (r *recovery) freeSlot(p *stage.Slot) bool {
	if err := p.EndLog(); err != nil {
		r.o.log.Error("a slot cannot be freed", "slot", p.N, "err", err)
		return false
	}
	p.Free()
	return true
}

// setFilesAside moves the files at path out of the way of the item that is still in its slot. Those
// that hold nothing that the slot does not are removed. Others get another name, under which Status
// lists them.
func (r *recovery) setFilesAside(path string, lines, log, kept []byte) {
	other := r.o.journals.newPath()
	if bytes.HasPrefix(lines, log) {
		journal.Remove(path + journal.Suffix)
	} else if err := os.Rename(path+journal.Suffix,
		other+journal.Suffix+quarantineSuffix); err == nil {
		r.inv.quarantined = append(r.inv.quarantined,
			filepath.Base(other)+journal.Suffix+quarantineSuffix)
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

// stagedSize returns the number of bytes that the journal of a new file describes.
func stagedSize(recs []journal.Record) int64 {
	return min(replay(recs).content.Size, stage.SlotPayload)
}

// quarantineSlot moves the content of a slot that cannot be used to files, for people to find.
func (r *recovery) quarantineSlot(p *stage.Slot, path string, recs []journal.Record, lines []byte,
	because error) {
	o, size := r.o, int64(stage.SlotPayload) // where its journal does not say
	if errors.Is(because, stage.ErrNotWritten) {
		size = stagedSize(recs)
	}
	if info, err := os.Stat(slotFilePath(o.cfg.Dir)); err == nil { // the last slot may be short
		size = max(0, min(size, info.Size()-int64(p.N)*stage.SlotSize-stage.SlotLogSize))
	}
	log := path + journal.Suffix + quarantineSuffix
	err := stage.OpenFile(path, p, size, nil).MoveToFile(func() error {
		return os.WriteFile(log, lines, 0o600)
	})
	if err == nil {
		err = o.journals.syncAll(path, log)
	}
	if err == nil {
		err = p.EndLog()
	}
	if err != nil {
		o.log.Error("a journal cannot be read, and stays in its slot", "slot", p.N,
			"err", errors.Join(because, err))
		o.unreadables.add(Status{Key: keyOf(recs, stage.SlotFileName), Size: size,
			Reason: fmt.Sprintf("%v; it is kept in %s, since no file can be made for it: %v",
				because,
				shownPath(slotFilePath(o.cfg.Dir)), err)}, slotFilePath(o.cfg.Dir))
		return
	}
	p.Free()
	o.log.Error("a journal cannot be read; it is in quarantine", "journal", log, "err", because)
	r.inv.quarantined = append(r.inv.quarantined, filepath.Base(log))
}
