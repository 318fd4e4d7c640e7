package prefetch

// Sequence is a place in an object that moves forward as a handle is read, and what is fetched
// ahead of it.
type Sequence struct {
	object int64 // size of the object
	window int64 // how far ahead to be
	begin  int64 // of its first read
	next   int64 // end of its furthest read
	ahead  int64 // fetched up to here
	read   int64 // read since window changed last
	waited bool  // since then, a read had to wait

	used     int64 // Handle.reads at its last read
	strays   int64 // Handle.strays at its last read
	lastRead int64 // the time of its last read
}

// Next is the end of the furthest read.
func (s *Sequence) Next() int64 { return s.next }

// Ahead is up to where it was fetched ahead.
func (s *Sequence) Ahead() int64 { return s.ahead }

// LastRead is the time of the last read.
func (s *Sequence) LastRead() int64 { return s.lastRead }

// Waited records that a read had to wait for its bytes.
func (s *Sequence) Waited() { s.waited = true }

// Fetched records that what lies before off is fetched.
func (s *Sequence) Fetched(off int64) { s.ahead = max(s.ahead, off) }

// Shortened records that what lies behind off is not fetched after all.
func (s *Sequence) Shortened(off int64) { s.ahead = min(s.ahead, off) }

// Failed records that a request brought nothing from off on: the window is small again.
func (s *Sequence) Failed(off int64) {
	s.window = MinWindow
	s.read = 0
	s.Shortened(off)
}

// covers reports whether a read at off belongs to s.
func (s *Sequence) covers(off int64) bool {
	far := min(s.ahead, s.next+s.window+LongPassed)
	return off >= s.next-min(reach, s.window) && off <= max(far, s.next+MinWindow)
}

// advance takes in a read of [off, end). Where reads have to wait, the window
// grows: slowly enough that little is fetched in vain.
func (s *Sequence) advance(off, end int64) {
	s.next = max(s.next, end)
	s.read += end - off
	if s.waited && s.read >= max(s.window/8, MinWindow/4) {
		s.window *= 2
		s.read = 0
		s.waited = false
	}
}
