package changes

import (
	"cmp"
	"maps"
	"slices"
)

// state is what a cursor knows. It is a plain value: its file is replayed into one.
type state struct {
	taken map[string]taken
	begun map[string]begun
	last  uint64 // the greatest number of an event
	looks uint64

	// After damage: what is due by the first look may have been told. doubted has the objects of
	// which that is so, until it is taken, and the last look by which it was due.
	doubt   bool
	doubted map[string]uint64
}

// taken is the version of an object that was told and taken last.
type taken struct {
	Version
	own  bool
	look uint64 // that has seen the object last
}

func newState() state {
	return state{taken: map[string]taken{}, begun: map[string]begun{}, doubted: map[string]uint64{}}
}

// apply takes over a line of the file.
func (s *state) apply(r record) {
	key := string(r.Key)
	if r.Op != opBegin {
		delete(s.doubted, key)
	}
	switch r.Op {
	case opCursor:
		s.last = max(s.last, r.ID)
	case opKnown:
		s.taken[key] = taken{r.Version, r.Own, s.looks}
		delete(s.begun, key)
	case opForget:
		delete(s.taken, key)
		delete(s.begun, key)
	case opBegin:
		s.last = max(s.last, r.ID)
		s.begun[key] = begun{r.ID, r.Kind, r.Version, r.Own}
	case opEnd:
		s.last = max(s.last, r.ID)
		b, ok := s.begun[key]
		if !ok || b.id != r.ID {
			return
		}
		delete(s.begun, key)
		if b.kind == Removed {
			delete(s.taken, key)
		} else {
			s.taken[key] = taken{b.version, b.own, s.looks}
		}
	}
}

// due is the event of an object that S3 holds in the version now, the zero Version for none.
func (s *state) due(key string, now Version) (Event, bool) {
	was := s.taken[key]
	var may *begun
	b, ok := s.begun[key]
	if ok {
		may = &b
	}
	kind, repeat := due(was.Version, may, now)
	if kind == "" {
		return Event{}, false
	}
	e := Event{Kind: kind, Key: key, Version: now}
	if kind == Removed {
		e.Version, e.Own = was.Version, was.own
		if may != nil && may.kind != Removed {
			e.Version, e.Own = may.version, may.own
		}
	}
	if repeat {
		e.ID, e.Again = b.id, true
	}
	if _, ok := s.doubted[key]; ok || s.doubt {
		s.doubted[key], e.Again = s.looks, true
	}
	return e, true
}

// Look is one comparison of a cursor with a listing. See is called for each object that the bucket
// has, End after the last. A look that is not ended has found nothing. Only one is in progress at a
// time.
type Look struct {
	c    *Cursor
	seen map[string]bool // of those that were never taken and have begun
}

// Look begins a comparison.
func (c *Cursor) Look() *Look {
	c.state.looks++
	return &Look{c: c, seen: map[string]bool{}}
}

// See takes an object of the listing. It returns the event that is due for it, and reports whether
// one is.
func (l *Look) See(key string, now Version) (Event, bool) {
	s := &l.c.state
	if t, ok := s.taken[key]; ok {
		t.look = s.looks
		s.taken[key] = t
	} else if _, ok := s.begun[key]; ok {
		l.seen[key] = true
	}
	return s.due(key, now)
}

// End returns the events of the objects that were not seen, in the order of their keys.
func (l *Look) End() []Event {
	s := &l.c.state
	var gone []Event
	add := func(key string) {
		if e, ok := s.due(key, Version{}); ok {
			gone = append(gone, e)
		}
	}
	for key, t := range s.taken {
		if t.look != s.looks {
			add(key)
		}
	}
	for key := range s.begun {
		if _, ok := s.taken[key]; !ok && !l.seen[key] {
			add(key)
		}
	}
	s.doubt = false
	maps.DeleteFunc(s.doubted, func(_ string, look uint64) bool { return look != s.looks })
	slices.SortFunc(gone, func(a, b Event) int { return cmp.Compare(a.Key, b.Key) })
	return gone
}

// Sort puts events into the order in which they are told: what was created or changed in the order
// of S3's times, then what was removed, whose times nobody knows.
func Sort(events []Event) {
	slices.SortFunc(events, func(a, b Event) int {
		if a, b := a.Kind == Removed, b.Kind == Removed; a != b {
			if a {
				return 1
			}
			return -1
		}
		if a.Kind == Removed {
			return cmp.Compare(a.Key, b.Key)
		}
		return cmp.Or(cmp.Compare(a.Modified, b.Modified), cmp.Compare(a.Key, b.Key))
	})
}
