package outbox

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/s3share/s3share/cache/extent"
	"github.com/s3share/s3share/cache/outbox/parts"
	"github.com/s3share/s3share/cache/outbox/uplink"
)

// Base reads the version that a stage lies upon. Its error is Stale once the key
// holds another version and the bytes asked for are not cached.
type Base interface {
	ReadAt(ctx context.Context, p []byte, off int64) (int, error)
}

// stage is the overlay: written bytes in a sparse file, upon a base. What is in
// neither reads as zero.
type stage struct {
	room func(n int64) error // asked before the staged file grows by n bytes; below zero gives back

	file *staged

	// filling keeps a write and its mark in dirty together, as those who change
	// bytes that are not dirty see them: writers share it. Take it before mu.
	filling sync.RWMutex

	// mu guards the fields below. Reading and writing the file itself need it
	// not: the kernel orders them, as for any two programs on one file.
	mu        sync.Mutex
	base      Base // nil without one
	size      int64
	baseValid int64 // how much of base's beginning is still in the file
	dirty     extent.Set
	mtime     time.Time
	taken     int64            // bytes that room was asked for
	seq       uint64           // counts changes of the content, times and modes among it
	bytesSeq  uint64           // counts changes of what the file holds, copies of the base among it
	written   map[int64]uint64 // seq of the last change, by touchUnit
	sums      sums
}

// touchUnit is the granularity in which a stage remembers when it was changed,
// so that a part that was sent before the change is sent again.
const touchUnit = parts.Size

// writeStep is the most that goes into the staged file at once, in bytes. The
// kernel keeps what one write brings in one piece of memory if it finds one, and
// looking for pieces of 1 MiB took three times as long as copying into them.
const writeStep = 256 << 10

// newStage begins a stage over base, in a place where that is given.
func newStage(path string, p *place, base Base, baseSize int64) (*stage, error) {
	f, err := newStaged(path, p)
	if err != nil {
		return nil, fmt.Errorf("cannot stage: %w", err)
	}
	if baseSize > 0 {
		if err := f.Truncate(baseSize); err != nil {
			f.close()
			return nil, fmt.Errorf("cannot stage: %w", err)
		}
	}
	return &stage{room: func(int64) error { return nil }, file: f, base: base, size: baseSize, baseValid: baseSize, mtime: time.Now(), written: map[int64]uint64{}, sums: sums{}}, nil
}

// touchLocked notes a change of [off, end).
func (s *stage) touchLocked(off, end int64) {
	s.seq++
	s.bytesSeq++
	for u := off / touchUnit; u*touchUnit < end; u++ {
		s.written[u] = s.seq
	}
	s.mtime = time.Now()
}

// touchDataLocked notes that [off, end) has become zeros, before it does. What was
// a hole is not changed by that: whoever makes a file of a terabyte of them has no
// note of each of its units here.
func (s *stage) touchDataLocked(off, end int64) {
	s.seq++
	s.bytesSeq++
	s.mtime = time.Now()
	data := slices.Clone(s.dirty)
	data.Add(0, s.baseValid)
	for _, x := range data {
		for u := max(off, x.Off) / touchUnit; u*touchUnit < min(end, x.End); u++ {
			s.written[u] = s.seq
		}
	}
}

// changed notes that something besides bytes and time was changed.
func (s *stage) changed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seq++
}

func (s *stage) setMtime(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mtime = t
	s.seq++
}

// changedSince reports whether [off, end) was changed after seq.
func (s *stage) changedSince(off, end int64, seq uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for u := off / touchUnit; u*touchUnit < end; u++ {
		if s.written[u] > seq {
			return true
		}
	}
	return false
}

// has reports whether the file alone holds all of [off, end).
func (s *stage) has(off, end int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dirty.Has(off, end)
}

func (s *stage) writeAt(p []byte, off int64) (int, error) {
	if err := s.charge(off, off+int64(len(p))); err != nil {
		return 0, err
	}
	s.filling.RLock()
	defer s.filling.RUnlock()
	n, err := s.put(p, off)
	if n > 0 {
		s.mu.Lock()
		s.dirty.Add(off, off+int64(n))
		s.size = max(s.size, off+int64(n))
		s.touchLocked(off, off+int64(n))
		s.sums.wrote(p[:n], off)
		s.mu.Unlock()
	}
	return n, err
}

// put writes p into the file.
func (s *stage) put(p []byte, off int64) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = s.file.WriteAt(p[n:min(len(p), n+writeStep)], off+int64(n))
		n += m
	}
	return n, err
}

// append writes p behind the end and returns where that was. Two appends never
// write in one place.
func (s *stage) append(p []byte) (off int64, n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	off = s.size
	if err := s.chargeLocked(off, off+int64(len(p))); err != nil {
		return off, 0, err
	}
	n, err = s.put(p, off)
	if n > 0 {
		s.dirty.Add(off, off+int64(n))
		s.size += int64(n)
		s.touchLocked(off, off+int64(n))
		s.sums.wrote(p[:n], off)
	}
	return off, n, err
}

func (s *stage) readAt(ctx context.Context, p []byte, off int64) (int, error) {
	s.mu.Lock()
	base, size, baseValid := s.base, s.size, s.baseValid
	if off >= size {
		s.mu.Unlock()
		return 0, io.EOF
	}
	short := int64(len(p)) > size-off
	if short {
		p = p[:size-off]
	}
	type run struct {
		extent.Range
		staged bool
	}
	var runs []run
	for at, end := off, off+int64(len(p)); at < end; {
		to, in := s.dirty.Next(at, end)
		if !in && at < baseValid {
			to = min(to, baseValid)
		}
		runs = append(runs, run{extent.Range{Off: at, End: to}, in || at >= baseValid})
		at = to
	}
	s.mu.Unlock()
	for _, r := range runs {
		part := p[r.Off-off : r.End-off]
		var n int
		var err error
		if r.staged {
			n, err = s.file.ReadAt(part, r.Off)
		} else {
			n, err = base.ReadAt(ctx, part, r.Off)
		}
		if err == io.EOF {
			clear(part[n:]) // a hole at the end of the sparse file
			err = nil
		}
		if err != nil {
			return int(r.Off-off) + n, err
		}
	}
	if short {
		return len(p), io.EOF
	}
	return len(p), nil
}

func (s *stage) truncate(size int64) error {
	s.filling.Lock()
	defer s.filling.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.truncateLocked(size)
}

// grow makes the file at least size bytes long.
func (s *stage) grow(size int64) error {
	s.filling.Lock()
	defer s.filling.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.truncateLocked(max(size, s.size))
}

func (s *stage) truncateLocked(size int64) error {
	if size == s.size { // no byte is another, and the time moves: ftruncate(2)
		s.seq++
		s.mtime = time.Now()
		return nil
	}
	// The sparse file is as long as the content, for who knows nothing but it.
	if err := s.file.Truncate(size); err != nil {
		return err
	}
	s.touchDataLocked(min(size, s.size), max(size, s.size))
	if size < s.size {
		before := s.dirty.Total()
		s.dirty.Cut(size)
		s.sums.cut(size)
		s.baseValid = min(s.baseValid, size)
		// What was filled from the base, or punched, had taken no room.
		back := min(s.taken, before-s.dirty.Total())
		if s.taken -= back; back > 0 {
			_ = s.room(-back)
		}
	}
	s.size = size
	return nil
}

// punch makes [off, end) read as zero, inside the file's size.
func (s *stage) punch(off, end int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	end = min(end, s.size)
	if off >= end { // no byte is another, and the time moves
		s.seq++
		s.mtime = time.Now()
		return nil
	}
	// Behind the file's end there is nothing to punch, and darwin has no call for it.
	if err := s.file.punch(off, end); err != nil {
		return err
	}
	s.touchDataLocked(off, end)
	s.dirty.Add(off, end)
	s.sums.forget(off, end)
	return nil
}

// rebase reads the base's bytes from a version that has the same in their place.
func (s *stage) rebase(base Base) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.base = base
}

func (s *stage) sync() error { return s.file.Sync() }

// open adds a user of the staged bytes; each calls close.
func (s *stage) open() error { return s.file.open() }

func (s *stage) close() { s.file.close() }

// body reads [off, off+n) of the file for one request; t may be nil.
func (s *stage) body(off, n int64, t *uplink.Ticket) io.ReadSeeker {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := uplink.Body{SectionReader: io.NewSectionReader(s.file, off, n), Ticket: t}
	if sum, ok := s.sums.of(off, n); ok {
		return summed{r, sum}
	}
	return r
}

// charge asks for room for what of [off, end) is not staged yet.
func (s *stage) charge(off, end int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.chargeLocked(off, end)
}

func (s *stage) chargeLocked(off, end int64) error {
	n := int64(0)
	for _, g := range s.dirty.Gaps(off, end) {
		n += g.End - g.Off
	}
	if n == 0 {
		return nil
	}
	if err := s.room(n); err != nil {
		return err
	}
	s.taken += n
	return nil
}

// charged is how much room the stage was given.
func (s *stage) charged() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken
}
