package stage

import (
	"cmp"
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

// Base reads the version that was changed. Its error is Stale once the key holds another
// version, if the bytes asked for are not cached.
type Base interface {
	ReadAt(ctx context.Context, p []byte, off int64) (int, error)
}

// Stage is the content of a pending file: staged bytes in a sparse file, over a base. What is
// in neither reads as zero.
type Stage struct {
	reserveBytes func(n int64) error // see Owner.Reserve

	file *File

	// writing makes a write and its entry in dirty one step for whoever changes bytes that are
	// not dirty. Writers hold it for reading. Take it before mu.
	writing sync.RWMutex

	// mu guards the fields below. Reading and writing the file itself do not need it: the
	// kernel orders them, as for any two programs that use one file.
	mu        sync.Mutex
	base      Base // nil without one
	size      int64
	baseValid int64 // the bytes of the base before this offset are part of the file
	dirty     extent.Set
	// excess is set if the staged file may be longer than size. What is there is cut off before
	// size grows.
	excess   bool
	mtime    time.Time
	taken    int64            // bytes that were reserved
	seq      uint64           // counts changes of the content, the time and the mode
	bytesSeq uint64           // counts changes of the staged file, copies of the base among them
	written  map[int64]uint64 // seq of the last change, by unit
	crcs     crcs
}

// Owner is what a stage asks of its owner.
type Owner struct {
	// Reserve is called before the staged file grows by n bytes, and returns why it may not;
	// after it shrinks, with n below zero.
	Reserve func(n int64) error
	// Spill is called when the content outgrows its slot. It has to call MoveToFile.
	Spill func() error
}

// unit is the granularity in which a stage records changes: a part that was sent before a
// change of it is sent again.
const unit = parts.Size

// writeStep is the maximum size of one write(2), in bytes. The kernel looks for one piece of
// memory for each. Finding pieces of 1 MiB took three times as long as copying into them.
const writeStep = 256 << 10

// New creates a stage over base, in slot or in a file at path. The caller is its first user
// and calls Close.
func New(path string, slot *Slot, base Base, baseSize int64, owner Owner) (*Stage, error) {
	f, err := createFile(path, slot, owner.Spill)
	if err != nil {
		return nil, fmt.Errorf("cannot stage: %w", err)
	}
	if baseSize > 0 {
		if err := f.Truncate(baseSize); err != nil {
			f.close()
			return nil, fmt.Errorf("cannot stage: %w", err)
		}
	}
	return &Stage{
		reserveBytes: owner.Reserve, file: f,
		base: base, size: baseSize, baseValid: baseSize, mtime: time.Now(),
		written: map[int64]uint64{}, crcs: crcs{},
	}, nil
}

// RestoredSeq is what Changes returns of a stage that was restored and not changed since.
const RestoredSeq = 1

// Restore returns the stage of a file that an earlier process has staged, with the content that
// the journal says. The file may be longer. No space is reserved for it: the caller accounts for
// Reserved.
func Restore(f *File, now Snapshot, base Base, reserve func(n int64) error) *Stage {
	return &Stage{
		reserveBytes: reserve, file: f, excess: true,
		base: base, size: now.Size, baseValid: now.BaseValid, dirty: now.Dirty, mtime: now.Mtime,
		taken: now.Dirty.Total(), seq: RestoredSeq,
		written: map[int64]uint64{}, crcs: crcs{},
	}
}

// touchLocked records a change of [off, end).
func (s *Stage) touchLocked(off, end int64) {
	s.seq++
	s.bytesSeq++
	for u := off / unit; u*unit < end; u++ {
		s.written[u] = s.seq
	}
	s.mtime = time.Now()
}

// touchDataLocked records that [off, end) becomes zeros, before it does. It skips holes, which
// do not change: a file of a terabyte of holes needs no entry for each of its units.
func (s *Stage) touchDataLocked(off, end int64) {
	s.seq++
	s.bytesSeq++
	s.mtime = time.Now()
	data := slices.Clone(s.dirty)
	data.Add(0, s.baseValid)
	for _, x := range data {
		for u := max(off, x.Off) / unit; u*unit < min(end, x.End); u++ {
			s.written[u] = s.seq
		}
	}
}

// MarkChanged records a change of something besides bytes and time.
func (s *Stage) MarkChanged() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seq++
}

// SetMtime sets the time of the last change.
func (s *Stage) SetMtime(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mtime = t
	s.seq++
}

// ChangedSince reports whether [off, end) was changed after seq.
func (s *Stage) ChangedSince(off, end int64, seq uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for u := off / unit; u*unit < end; u++ {
		if s.written[u] > seq {
			return true
		}
	}
	return false
}

// Has reports whether all of [off, end) is staged, so that the base is not needed for it.
func (s *Stage) Has(off, end int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dirty.Has(off, end)
}

// WriteAt stages p at off. note journals which bytes are staged; nil if that is not necessary. If
// note returns an error, the content is what it was, except for bytes that were staged before.
func (s *Stage) WriteAt(p []byte, off int64, note func(off, end int64) error) (int, error) {
	n, undo, err := s.writeAt(p, off, note)
	if undo.Off < undo.End {
		s.undoWrite(undo.Off, undo.End)
	}
	return n, err
}

// writeAt is WriteAt. undo is what was written to the file and is not part of the content.
func (s *Stage) writeAt(p []byte, off int64,
	note func(off, end int64) error) (n int, undo extent.Range, err error) {
	s.writing.RLock()
	defer s.writing.RUnlock()
	// Bytes that are staged already may be a copy of the base. The journal may have them before
	// they are written over, and has all others afterwards.
	over, err := s.prepareWrite(off, off+int64(len(p)))
	if err != nil {
		return 0, undo, err
	}
	var short error
	if over < len(p) {
		m, err := s.write(p[over:], off+int64(over))
		undo = extent.Range{Off: off + int64(over), End: off + int64(over+m)}
		if err != nil && (over > 0 || m == 0) {
			return 0, undo, err
		}
		p, short = p[:over+m], err
	}
	if note != nil {
		if err := note(off, off+int64(len(p))); err != nil {
			return 0, undo, cmp.Or(short, err)
		}
	}
	n, err = s.write(p[:over], off)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wroteLocked(p[:n], off)
	s.wroteLocked(p[over:], off+int64(over))
	if err != nil {
		return n, extent.Range{}, err
	}
	return len(p), extent.Range{}, short
}

// wroteLocked makes p, which is in the file at off, part of the content.
func (s *Stage) wroteLocked(p []byte, off int64) {
	if len(p) == 0 {
		return
	}
	end := off + int64(len(p))
	s.dirty.Add(off, end)
	s.size = max(s.size, end)
	s.touchLocked(off, end)
	s.crcs.update(p, off)
}

// write writes p into the file.
func (s *Stage) write(p []byte, off int64) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = s.file.WriteAt(p[n:min(len(p), n+writeStep)], off+int64(n))
		n += m
	}
	return n, err
}

// Append is WriteAt at the end, and returns the offset. Appends that run at the same time do not
// overlap.
func (s *Stage) Append(p []byte,
	note func(off, end int64) error) (off int64, n int, err error) {
	off, n, undo, err := s.append(p, note)
	if undo {
		s.undoWrite(off, off+int64(n))
	}
	return off, n, err
}

// append is Append. undo is set if n bytes are in the file, and not part of the content.
func (s *Stage) append(p []byte,
	note func(off, end int64) error) (off int64, n int, undo bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	off = s.size
	if err := s.prepareWriteLocked(off, off+int64(len(p))); err != nil {
		return off, 0, false, err
	}
	n, err = s.write(p, off)
	if n == 0 {
		return off, n, false, err
	}
	if note != nil {
		if nerr := note(off, off+int64(n)); nerr != nil {
			return off, n, true, cmp.Or(err, nerr)
		}
	}
	s.wroteLocked(p[:n], off)
	return off, n, false, err
}

// ReadAt reads what is staged, and the base where nothing is.
func (s *Stage) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
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

// Rebase replaces the base by another version with the same bytes.
func (s *Stage) Rebase(base Base) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.base = base
}

// Sync returns when the staged bytes are on the disk.
func (s *Stage) Sync() error { return s.file.Sync() }

// Open adds a user of the staged bytes, who calls Close.
func (s *Stage) Open() error { return s.file.open() }

// Close ends a use of the staged bytes.
func (s *Stage) Close() { s.file.close() }

// Body returns [off, off+n) of the staged file as the body of a request. t may be nil.
func (s *Stage) Body(off, n int64, t *uplink.Ticket) io.ReadSeeker {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := uplink.Body{SectionReader: io.NewSectionReader(s.file, off, n), Ticket: t}
	if sum, ok := s.crcs.of(off, n); ok {
		return bodyWithCRC{r, sum}
	}
	return r
}

// reserveLocked reserves space for what is not staged yet of [off, end).
func (s *Stage) reserveLocked(off, end int64) error {
	n := int64(0)
	for _, g := range s.dirty.Gaps(off, end) {
		n += g.End - g.Off
	}
	if n == 0 {
		return nil
	}
	if err := s.reserveBytes(n); err != nil {
		return err
	}
	s.taken += n
	return nil
}

// Reserved returns the number of bytes that are reserved.
func (s *Stage) Reserved() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken
}

// MoveToFile moves the staged bytes from their slot to a file; see File.MoveToFile.
func (s *Stage) MoveToFile(then func() error) error { return s.file.MoveToFile(then) }

// Bytes returns all staged bytes if they are in a slot, else nil.
func (s *Stage) Bytes() []byte { return s.file.Bytes() }

// MarkDone gives the staged file the name of one that is not pending any more, and returns that.
func (s *Stage) MarkDone() (path string) { return s.file.done() }

// Remove removes the staged bytes.
func (s *Stage) Remove() { s.file.remove() }
