package prefetch

import "slices"

// Handle follows the reads of one open handle of an object.
type Handle struct {
	size      int64 // of the object
	sequences []*Sequence
	reads     int64    // so far
	strays    int64    // of them, those in no sequence
	ends      [8]int64 // of the last of these
}

// NewHandle returns a Handle of an object of size bytes, which nobody has read yet.
func NewHandle(size int64) *Handle { return &Handle{size: size} }

// Observe takes in a read of [off, end) at the time now, in nanoseconds. It returns the
// sequence that the read belongs to, nil for none, and those that have ended.
func (h *Handle) Observe(off, end, now int64) (s *Sequence, ended []*Sequence) {
	h.reads++
	i := slices.IndexFunc(h.sequences, func(s *Sequence) bool { return s.covers(off) })
	switch {
	case i >= 0:
		s = h.sequences[i]
		s.advance(off, end)
	case off == 0 || h.continues(off):
		s, ended = h.begin(off, end)
	default:
		h.strays++
		h.ends[h.strays%int64(len(h.ends))] = end
		return nil, h.endUnread()
	}
	s.used, s.strays, s.lastRead = h.reads, h.strays, now
	return s, ended
}

// Close ends all sequences, and returns them.
func (h *Handle) Close() []*Sequence {
	ended := h.sequences
	h.sequences = nil
	return ended
}

// continues reports whether a read at off goes on where another, that
// belonged to no sequence, ended lately.
func (h *Handle) continues(off int64) bool {
	for i, end := range h.ends {
		if end > 0 && off >= end && off <= end+blockSize {
			h.ends[i] = 0
			return true
		}
	}
	return false
}

// begin begins a sequence with a read of [off, end), in the place of the
// one that was not read for longest if there are many.
func (h *Handle) begin(off, end int64) (s *Sequence, ended []*Sequence) {
	if len(h.sequences) == maxSequences {
		ended = append(ended,
			slices.MinFunc(h.sequences, func(a, b *Sequence) int { return int(a.used - b.used) }))
		h.remove(ended)
	}
	s = &Sequence{
		object: h.size, window: MinWindow, begin: off, next: end,
		ahead: off &^ (blockSize - 1), read: end - off,
	}
	h.sequences = append(h.sequences, s)
	return s, ended
}

// endUnread ends the sequences that are not read any more, and those that were begun by
// Observe(0, 0) and not read from the object's begin.
func (h *Handle) endUnread() (ended []*Sequence) {
	for _, s := range h.sequences {
		if s.next == 0 || h.strays-s.strays >= MaxStrays {
			ended = append(ended, s)
		}
	}
	h.remove(ended)
	return ended
}

func (h *Handle) remove(ended []*Sequence) {
	if len(ended) > 0 {
		h.sequences = slices.DeleteFunc(h.sequences,
			func(s *Sequence) bool { return slices.Contains(ended, s) })
	}
}
