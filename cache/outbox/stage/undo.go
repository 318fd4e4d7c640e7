package stage

// prepareWrite reserves space for what is not staged yet of [off, end), and makes sure that
// nothing is in the file between the content and a write behind it. It returns how many bytes from
// off on are staged.
func (s *Stage) prepareWrite(off, end int64) (staged int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if to, in := s.dirty.Next(off, end); in {
		staged = int(to - off)
	}
	return staged, s.prepareWriteLocked(off, end)
}

func (s *Stage) prepareWriteLocked(off, end int64) error {
	if end > s.size {
		if err := s.cutExcessLocked(); err != nil {
			return err
		}
	}
	return s.reserveLocked(off, end)
}

// cutExcessLocked removes what the file has behind the content. The bytes of writers that are about
// to make the content longer are not removed: the first of them calls cutExcessLocked, and excess
// is set again only when none is at work.
func (s *Stage) cutExcessLocked() error {
	if !s.excess {
		return nil
	}
	if err := s.file.Truncate(s.size); err != nil {
		return err
	}
	s.excess = false
	return nil
}

// undoWrite is called when [off, end) of the file was written, and is not to be part of the
// content.
func (s *Stage) undoWrite(off, end int64) {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if end > s.size {
		s.excess = true
		_ = s.cutExcessLocked() // or before the content grows
	}
	s.undoWriteLocked(off, min(end, s.size))
}

// undoWriteLocked is undoWrite within the size. What is read from the file is restored where
// nothing was staged. What was staged there has changed.
func (s *Stage) undoWriteLocked(off, end int64) {
	for _, g := range s.dirty.Gaps(max(off, s.baseValid), end) {
		if g.Off < g.End && s.file.punch(g.Off, g.End) != nil {
			s.touchLocked(g.Off, g.End)
			s.dirty.Add(g.Off, g.End)
			s.crcs.forget(g.Off, g.End)
		}
	}
	if off < end && s.hasAnyLocked(off, end) {
		s.touchDataLocked(off, end)
		s.crcs.forget(off, end)
	}
}
