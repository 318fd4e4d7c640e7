package outbox

import "time"

// isGone reports whether the item is not pending any more.
func (s *schedule) isGone() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.goneLocked()
}

func (s *schedule) goneLocked() bool {
	select {
	case <-s.gone:
		return true
	default:
		return false
	}
}

// delivered records that the item is not pending any more.
func (s *schedule) delivered() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.goneLocked() {
		close(s.gone)
	}
}

// drop is delivered for an item that is dropped. It reports whether it was pending.
func (s *schedule) drop() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.goneLocked() {
		return false
	}
	s.unnamed.Store(true)
	close(s.gone)
	return true
}

// holdUnsent holds an item that nobody holds, and that no delivery was tried of, unless S3 may have
// it all the same. It reports whether it did.
func (s *schedule) holdUnsent(mayBeThere func() bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.idleLocked() || s.tries > 0 || mayBeThere() {
		return false
	}
	s.writers++
	return true
}

// ifPending returns what f returns, or ErrGone for an item that is not pending any more.
func (s *schedule) ifPending(f func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.goneLocked() {
		return ErrGone
	}
	return f()
}

// isLastHold reports whether the item is held once.
func (s *schedule) isLastHold() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writers == 1 && !s.goneLocked()
}

// isClosed reports whether the item is pending, and no program has it open for writing.
func (s *schedule) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writers == 0 && !s.goneLocked()
}

// isInterrupted reports whether the item is kept here because its content may not be complete.
func (s *schedule) isInterrupted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == Interrupted
}

// clearReason forgets why the item was not delivered: a program writes to it.
func (s *schedule) clearReason() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reason = nil
}

// setNotified records the state that a person was told last, and reports whether it has changed.
func (s *schedule) setNotified(st State) (changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed = s.notified != st
	s.notified = st
	return changed
}

// scheduled is a schedule as it was at one instant.
type scheduled struct {
	state         State
	since         time.Time
	delivering    bool // or preparing
	reason        error
	gone, unnamed bool
}

// now returns the schedule as it is.
func (s *schedule) now() scheduled {
	s.mu.Lock()
	defer s.mu.Unlock()
	return scheduled{s.state, s.since, s.delivery != nil, s.reason,
		s.goneLocked(), s.unnamed.Load()}
}
