package content

import "slices"

// streams are the requests at a time. Their lock is Cache.mu.
type streams struct {
	limit   int
	running int      // requests under way
	pending []*fetch // of demand reads, that wait for a stream
}

// take takes a stream if one is free.
func (s *streams) take() bool {
	if s.running >= s.limit {
		return false
	}
	s.running++
	return true
}

// end gives back the stream of a request that is over, and returns the fetch that has it from now
// on, nil for none.
func (s *streams) end() *fetch {
	if len(s.pending) == 0 {
		s.running--
		return nil
	}
	next := s.pending[0]
	s.pending = s.pending[1:]
	return next
}

// awaited reports whether a fetch that somebody waits for has no stream yet.
func (s *streams) awaited() bool { return len(s.pending) > 0 }

// spare reports whether a request that nobody waits for may go out: some streams are kept for
// those that somebody does.
func (s *streams) spare() bool {
	return !s.awaited() && s.running < max(1, s.limit-s.limit/16)
}

// withdraw removes f, and reports whether it waited: it has not begun and never will.
func (s *streams) withdraw(f *fetch) bool {
	i := slices.Index(s.pending, f)
	if i < 0 {
		return false
	}
	s.pending = slices.Delete(s.pending, i, i+1)
	return true
}
