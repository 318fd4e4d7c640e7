package outbox

import (
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/s3share/s3share/cache/extent"
	"github.com/s3share/s3share/cache/outbox/parts"
)

// stageSnapshot is what a stage holds at an instant.
type stageSnapshot struct {
	size, baseValid int64
	dirty           extent.Set
	mtime           time.Time
}

// snapshot copies all ranges: it is for what happens once a file, not once a write.
func (s *stage) snapshot() stageSnapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	return stageSnapshot{s.size, s.baseValid, slices.Clone(s.dirty), s.mtime}
}

// isBase reports whether the stage holds nothing but a base of size bytes, and all of it.
func (s *stage) isBase(size int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.dirty) == 0 && s.size == size && s.baseValid == size
}

// edited reports whether anything lies over the base, or none of it is left.
func (s *stage) edited() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.dirty) > 0 || s.baseValid == 0
}

// bounds returns the size, and how much of the base's beginning is left.
func (s *stage) bounds() (size, baseValid int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size, s.baseValid
}

// bytesChanges counts the changes of what the file holds, copies of the base among them.
func (s *stage) bytesChanges() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytesSeq
}

// sum returns the CRC-32 of all bytes, if it is known.
func (s *stage) sum() (crc uint32, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sums.of(0, s.size)
}

// stat returns the size and the time of the last change.
func (s *stage) stat() (size int64, mtime time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size, s.mtime
}

// changes counts the changes of the content, of times and modes among it.
func (s *stage) changes() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seq
}

// overBase tells that bytes of the base are still part of the file.
func (s *stage) overBase() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.baseValid > 0
}

// small tells that there is a base, and that a put would need all of it.
func (s *stage) small() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.baseValid > 0 && s.baseValid <= parts.Size
}

// whole reports whether the staged file alone holds every byte.
func (s *stage) whole() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dirty.Has(0, s.baseValid)
}

// seek finds the next data or hole from off on, for SEEK_DATA and SEEK_HOLE.
// Bytes of the base count as data. The error is ENXIO behind the end.
func (s *stage) seek(off int64, hole bool) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if off >= s.size {
		return 0, unix.ENXIO
	}
	all := append(extent.Set(nil), s.dirty...)
	all.Add(0, s.baseValid)
	for off < s.size {
		end, data := all.Next(off, s.size)
		if data != hole {
			return off, nil
		}
		off = end
	}
	if hole {
		return s.size, nil
	}
	return 0, unix.ENXIO
}

func (s *stage) length() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size
}
