package stage

import "time"

// Truncate sets the size. note journals the size, and how much of the base is left; nil if that is
// not necessary. After an error, nothing has changed.
func (s *Stage) Truncate(size int64, note func(size, baseValid int64) error) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.truncateLocked(size, note)
}

// Grow makes the file at least size bytes long; otherwise it is Truncate.
func (s *Stage) Grow(size int64, note func(size, baseValid int64) error) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.truncateLocked(max(size, s.size), note)
}

func (s *Stage) truncateLocked(size int64, note func(size, baseValid int64) error) error {
	// The sparse file is as long as the content, so that it can be read by itself. It grows
	// before the journal says so, and shrinks afterwards: if the process is killed in between,
	// it has all the bytes that the journal describes.
	if size > s.size {
		if err := s.cutExcessLocked(); err != nil {
			return err
		}
		if err := s.file.Truncate(size); err != nil {
			return err
		}
	}
	if note != nil {
		if err := note(size, min(s.baseValid, size)); err != nil {
			if size > s.size {
				s.excess = true
				_ = s.cutExcessLocked() // or before the content grows
			}
			return err
		}
	}
	if size < s.size {
		err := s.file.Truncate(size)
		if err != nil && note == nil {
			return err
		}
		s.excess = err != nil
	}
	s.resizedLocked(size)
	return nil
}

// resizedLocked makes size the size of the content. The time changes even if the size does not:
// ftruncate(2).
func (s *Stage) resizedLocked(size int64) {
	if size == s.size {
		s.seq++
		s.mtime = time.Now()
		return
	}
	s.touchDataLocked(min(size, s.size), max(size, s.size))
	if size < s.size {
		before := s.dirty.Total()
		s.dirty.Cut(size)
		s.crcs.cut(size)
		s.baseValid = min(s.baseValid, size)
		// Nothing was reserved for what was copied from the base, or punched.
		back := min(s.taken, before-s.dirty.Total())
		if s.taken -= back; back > 0 {
			_ = s.reserveBytes(-back)
		}
	}
	s.size = size
}

// Punch makes [off, end) read as zero, within the size. note is that of WriteAt.
func (s *Stage) Punch(off, end int64, note func(off, end int64) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	end = min(end, s.size)
	off = min(off, end)
	if note != nil && s.dirty.Has(off, end) { // as in writeAt
		if err := note(off, end); err != nil {
			return err
		}
		note = nil
	}
	// Behind the file's end there is nothing to punch, and darwin has no call for it.
	if off < end {
		if err := s.file.punch(off, end); err != nil {
			return err
		}
	}
	if note != nil {
		if err := note(off, end); err != nil {
			s.undoWriteLocked(off, end)
			return err
		}
	}
	if off == end { // the time changes all the same
		s.seq++
		s.mtime = time.Now()
		return nil
	}
	s.touchDataLocked(off, end)
	s.dirty.Add(off, end)
	s.crcs.forget(off, end)
	return nil
}
