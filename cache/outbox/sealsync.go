package outbox

import "github.com/s3share/s3share/cache/outbox/journal"

// Sync returns when the staged bytes, what the journal has of them, and the names of both are on
// the local disk. The caller returns an error to a program.
func (s *sealing) Sync() error {
	if s.stage == nil {
		return s.log.sync()
	}
	err := s.sync()
	if err != nil {
		s.Refuse(err)
	}
	return err
}

// sync is Sync if no program gets the error.
func (s *sealing) sync() error {
	small, seq := s.log.inSlot(), s.stage.BytesChanges()
	if err := s.stage.Sync(); err != nil {
		if s.log.hasEnded() {
			return nil // delivered meanwhile
		}
		return err
	}
	if err := s.noteSynced(seq); err != nil {
		return err
	}
	if small && !s.log.inSlot() {
		return s.sync() // its bytes are in a file since
	}
	return s.log.sync()
}

// syncHeld is sync for a caller who need not have the staged bytes open.
func (s *sealing) syncHeld() error {
	if s.stage == nil || s.log.hasBytesOnDisk() {
		return nil
	}
	if err := s.stage.Open(); err != nil {
		return err
	}
	defer s.stage.Close()
	return s.sync()
}

// noteSynced journals what is staged. It is on the disk, but for what was changed since bytesSeq
// was seq.
func (s *sealing) noteSynced(seq uint64) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	s.log.lasting.Store(true)
	boot := s.o.boots.now
	if s.stage.BytesChanges() == seq {
		boot = ""
		s.log.synced.Store(seq + 1)
	}
	if !s.isSealed() {
		// its bytes are kept, as those of an interrupted file
		return s.log.note(s.contentRecord(journal.OpWrite, s.attributes(), boot))
	}
	err := s.log.note(s.sealRecordAs(s.attributes(), boot))
	if err == nil && boot == "" {
		s.log.sealedOnDisk.Store(s.seq() + 1)
	}
	return err
}

// sealedOffDisk reports whether the file is sealed, and its bytes need not be on the disk yet.
func (s *sealing) sealedOffDisk() bool {
	return s.stage != nil && s.isSealed() && !s.log.hasEnded() && !s.log.hasBytesOnDisk()
}
