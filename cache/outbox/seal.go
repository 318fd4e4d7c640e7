package outbox

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/s3share/s3share/cache/filetime"
	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/cache/outbox/stage"
	"github.com/s3share/s3share/s3backend"
)

// sealing keeps the journal of an item's content: whether it is open or sealed, whether it is all
// that its writers meant, and what of it is on the disk. Any goroutine may call its methods.
type sealing struct {
	o      *Outbox
	stage  *stage.Stage  // nil for a directory marker
	object *sharedTarget // what the content becomes

	// changing is held for reading by those who change the content, and for writing by those
	// who journal a seal, so that a seal covers all changes before it and none after it. Take it
	// before all other locks of the item.
	changing sync.RWMutex

	integrity
	log         itemLog
	sealRefused atomic.Bool // the disk has refused the last seal, and there was no write since
}

// seq returns the stage's count of changes, 0 without a stage.
func (s *sealing) seq() uint64 {
	if s.stage == nil {
		return 0
	}
	return s.stage.Changes()
}

// Untouched reports whether the item lies over what it replaces, and changes nothing.
func (s *sealing) Untouched() bool {
	t := s.object.target()
	return t.untouched() && s.seq() == 0
}

// Seal journals that the item is closed, with all that a later process needs to deliver it. What is
// staged afterwards opens it again. The caller returns an error to a program.
func (s *sealing) Seal() error {
	err := s.seal()
	if err != nil {
		s.Refuse(err)
	}
	return err
}

// seal is Seal if no program gets the error.
func (s *sealing) seal() error {
	if s.stage == nil {
		return nil
	}
	synced, err := s.noteSeal()
	if err == nil && synced {
		s.syncSeal()
	}
	return err
}

// syncSeal brings the seal of synced bytes to the disk: the program that synced them means the
// whole file to survive a power loss.
func (s *sealing) syncSeal() {
	if err := s.log.sync(); err != nil {
		s.o.log.Warn("after a power loss a file that was synced and closed would count as open",
			"key", s.object.Key(), "err", err)
	}
}

// isSealed reports whether the last record of the journal is a seal.
func (s *sealing) isSealed() bool { return s.log.sealed.Load() }

// toSeal reports whether a seal would add anything to the journal.
func (s *sealing) toSeal() bool { return !s.isSealed() || s.unnoted() }

// noteSeal journals the seal, if it adds anything, and reports whether the bytes are on the disk.
func (s *sealing) noteSeal() (synced bool, err error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	if !s.toSeal() {
		return false, nil
	}
	return s.noteSealAs(s.attributes())
}

// sealAgain seals a file whose seal the disk has refused, if isClosed reports that it is closed.
func (s *sealing) sealAgain(isClosed func() bool) error {
	if s.stage == nil || s.log.hasEnded() {
		return nil
	}
	s.changing.Lock() // who takes the item up meanwhile waits, and a write opens it again
	defer s.changing.Unlock()
	if !isClosed() || !s.toSeal() {
		return nil
	}
	_, err := s.noteSealAs(s.attributes())
	return err
}

// sealAsIs ends the interruption of a file, and seals it as it is, if isInterrupted reports that it
// is kept here for that. It reports whether it did.
func (s *sealing) sealAsIs(isInterrupted func() bool) (done bool, err error) {
	s.changing.Lock() // a write after this seal has to note that the file is open again
	defer s.changing.Unlock()
	if !isInterrupted() {
		return false, nil
	}
	was := s.complete()
	if err := s.log.note(s.sealRecordAs(s.attributes(), s.o.boots.now)); err != nil {
		s.restoreInterruption(was)
		return false, err
	}
	s.log.sealed.Store(true)
	return true, nil
}

// noteSealAs journals the seal of a file that gets these attributes, and reports whether the bytes
// are on the disk. It journals first and the seal in one step. The caller holds changing for
// itself.
func (s *sealing) noteSealAs(as attributes, first ...journal.Record) (synced bool, err error) {
	boot := s.o.boots.now
	if synced = s.log.hasBytesOnDisk(); synced {
		boot = ""
	}
	said := s.interruption() // what comes after it may not be in the record
	was := s.object.target()
	if err := s.log.note(append(first, s.sealRecordAs(as, boot))...); err != nil {
		s.object.changeTarget(func(t *target) {
			t.contentID, t.contentIDSeq = was.contentID, was.contentIDSeq
		})
		s.sealRefused.Store(true)
		return false, err
	}
	if synced {
		s.log.sealedOnDisk.Store(as.seq + 1)
	}
	s.sealRefused.Store(false)
	s.log.lasting.Store(true)
	s.log.sealed.Store(true)
	s.setNoted(said)
	return synced, nil
}

// noteContent journals what is staged, without a seal.
func (s *sealing) noteContent() error {
	s.changing.Lock()
	defer s.changing.Unlock()
	return s.log.note(s.contentRecord(journal.OpWrite, s.attributes(), s.o.boots.now))
}

// sealRecordAs returns the record of a seal with these attributes.
func (s *sealing) sealRecordAs(as attributes, boot string) journal.Record {
	r := s.contentRecord(journal.OpSeal, as, boot)
	s.object.changeTarget(func(t *target) { r.Commit, _ = t.idOf(as.seq) })
	return r
}

// contentRecord returns a record of what is staged, as a seal or as a write.
func (s *sealing) contentRecord(op string, as attributes, boot string) journal.Record {
	r := journal.Record{Op: op, Boot: boot, Set: as.explicit}
	if as.hasMode {
		r.Mode = &as.mode
	}
	s.integrity.record(&r)
	now := s.stage.Snapshot()
	r.Size, r.Valid, r.Mtime = now.Size, now.BaseValid, filetime.Time{Time: as.mtime}
	for _, x := range now.Dirty {
		r.Dirty = append(r.Dirty, [2]int64{x.Off, x.End})
	}
	if sum, ok := s.stage.KnownCRC(); ok && s.log.inSlot() {
		r.Sum = &sum // its slot may have had another file's bytes
	}
	return r
}

// noteOpen journals that the file is being written again, before it is.
func (s *sealing) noteOpen() error {
	if err := s.log.note(s.openRecord()); err != nil {
		return err
	}
	s.log.sealed.Store(false)
	return nil
}

// openRecord returns the record that the file is being written again.
func (s *sealing) openRecord() journal.Record {
	return journal.Record{Op: journal.OpOpen, Ambiguous: s.object.target().ambiguous}
}

// Refuse notes that a program was refused what it meant to be in the file, and why. The
// file is not delivered then, by no later process either, until it is written anew,
// replaced, or sent by Deliver.
func (s *sealing) Refuse(err error) {
	in := interruption{why: fmt.Errorf("writing it failed: %w", err), rewrite: true}
	if !s.interrupt(in) {
		return
	}
	said := s.interruption()
	nerr := s.log.note(journal.Record{Op: journal.OpRefuse, Killed: true,
		Why: "writing it failed: " + plainText(err), Rewrite: true})
	if nerr != nil {
		nerr = s.log.breakSeal() // then the item counts as interrupted as well
	}
	if nerr != nil {
		s.o.log.Error("the journal cannot say that a write was refused", "key", s.object.Key(),
			"err", nerr)
		return
	}
	s.setNoted(said)
}

// plainText is err for people who ask a later process, which does not have the error itself:
// of a request, how it failed, without the key and the SDK's layers.
func plainText(err error) string {
	var s3err *s3backend.Error
	switch {
	case !errors.As(err, &s3err):
		return err.Error()
	case s3err.Code() != "":
		return fmt.Sprintf("%s (%s)", s3err.Kind, s3err.Code())
	}
	return s3err.Kind.Error()
}
