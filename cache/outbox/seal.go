package outbox

import (
	"github.com/s3share/s3share/cache/filetime"
	"github.com/s3share/s3share/cache/outbox/journal"
)

// Untouched reports whether the item lies over what it replaces, and changes nothing.
func (it *Item) Untouched() bool {
	t := it.target()
	return t.untouched() && it.seq() == 0
}

// Seal journals that the item is closed, with all that a later process needs to deliver it. What is
// staged afterwards opens it again. The caller returns an error to a program.
func (it *Item) Seal() error {
	err := it.seal()
	if err != nil {
		it.Refuse(err)
	}
	return err
}

// seal is Seal if no program gets the error.
func (it *Item) seal() error {
	if it.folder {
		return nil
	}
	synced, err := it.noteSeal()
	if err == nil && synced {
		it.syncSeal()
	}
	return err
}

// syncSeal brings the seal of synced bytes to the disk: the program that synced them means the
// whole file to survive a power loss.
func (it *Item) syncSeal() {
	if err := it.log.sync(); err != nil {
		it.o.log.Warn("after a power loss a file that was synced and closed would count as open",
			"key", it.Key(), "err", err)
	}
}

// noteSeal journals the seal, if it adds anything, and reports whether the bytes are on the disk.
func (it *Item) noteSeal() (synced bool, err error) {
	it.changing.Lock()
	defer it.changing.Unlock()
	if !it.toSeal() {
		return false, nil
	}
	return it.noteSealAlone()
}

// noteSealAlone journals the seal, and reports whether the bytes are on the disk. The caller holds
// changing for itself.
func (it *Item) noteSealAlone() (synced bool, err error) { return it.noteSealAs(it.attributes()) }

// noteSealAs is noteSealAlone of a file that gets these attributes. It journals first and the seal
// in one step.
func (it *Item) noteSealAs(as attributes, first ...journal.Record) (synced bool, err error) {
	boot := it.o.boot
	if synced = it.log.hasBytesOnDisk(); synced {
		boot = ""
	}
	said := it.interruption() // what comes after it may not be in the record
	was := it.target()
	if err := it.log.note(append(first, it.sealRecordAs(as, boot))...); err != nil {
		it.changeTarget(func(t *target) {
			t.contentID, t.contentIDSeq = was.contentID, was.contentIDSeq
		})
		it.sealRefused.Store(true)
		return false, err
	}
	if synced {
		it.log.sealedOnDisk.Store(as.seq + 1)
	}
	it.sealRefused.Store(false)
	it.log.lasting.Store(true)
	it.log.sealed.Store(true)
	it.setNoted(said)
	return synced, nil
}

// sealRecordAs returns the record of a seal with these attributes.
func (it *Item) sealRecordAs(as attributes, boot string) journal.Record {
	r := it.contentRecord(journal.OpSeal, as, boot)
	it.changeTarget(func(t *target) { r.Commit, _ = t.idOf(as.seq) })
	return r
}

// contentRecord returns a record of what is staged, as a seal or as a write.
func (it *Item) contentRecord(op string, as attributes, boot string) journal.Record {
	r := journal.Record{Op: op, Boot: boot, Set: as.explicit}
	if as.hasMode {
		r.Mode = &as.mode
	}
	it.integrity.record(&r)
	now := it.stage.Snapshot()
	r.Size, r.Valid, r.Mtime = now.Size, now.BaseValid, filetime.Time{Time: as.mtime}
	for _, x := range now.Dirty {
		r.Dirty = append(r.Dirty, [2]int64{x.Off, x.End})
	}
	if sum, ok := it.stage.KnownCRC(); ok && it.log.inSlot() {
		r.Sum = &sum // its slot may have had another file's bytes
	}
	return r
}

// sealRecord is sealRecordAs or contentRecord with the present attributes.
func (it *Item) sealRecord(op, boot string) journal.Record {
	if op == journal.OpSeal {
		return it.sealRecordAs(it.attributes(), boot)
	}
	return it.contentRecord(op, it.attributes(), boot)
}

// noteContent journals what is staged, without a seal.
func (it *Item) noteContent() error {
	it.changing.Lock()
	defer it.changing.Unlock()
	return it.log.note(it.sealRecord(journal.OpWrite, it.o.boot))
}

// unseal journals that the item is being written again, before it is.
func (it *Item) unseal() error {
	if !it.log.sealed.Load() {
		return nil
	}
	if err := it.log.note(it.openRecord()); err != nil {
		return err
	}
	it.log.sealed.Store(false)
	return nil
}

// openRecord returns the record that the item is being written again.
func (it *Item) openRecord() journal.Record {
	it.recordETags()
	return journal.Record{Op: journal.OpOpen, Ambiguous: it.target().ambiguous}
}
