package stage

import (
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/s3share/s3share/cache/extent"
	"github.com/s3share/s3share/cache/outbox/parts"
)

// Snapshot is the state of a stage at one moment, or as a journal records it.
type Snapshot struct {
	Size, BaseValid int64
	Dirty           extent.Set
	Mtime           time.Time
}

// Snapshot copies all ranges: call it once a file, not once a write.
func (s *Stage) Snapshot() Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Snapshot{s.size, s.baseValid, slices.Clone(s.dirty), s.mtime}
}

// IsBase reports whether the stage holds nothing but a base of size bytes, and all of it.
func (s *Stage) IsBase(size int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.dirty) == 0 && s.size == size && s.baseValid == size
}

// Edited reports whether anything is staged over the base, or nothing of the base is left.
func (s *Stage) Edited() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.dirty) > 0 || s.baseValid == 0
}

// Bounds returns the size, and how much of the beginning of the base is left.
func (s *Stage) Bounds() (size, baseValid int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size, s.baseValid
}

// BytesChanges returns the number of changes of the staged file, copies of the base among them.
func (s *Stage) BytesChanges() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytesSeq
}

// KnownCRC returns the CRC-32 of all bytes, if it is known.
func (s *Stage) KnownCRC() (crc uint32, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.crcs.of(0, s.size)
}

// Stat returns the size and the time of the last change.
func (s *Stage) Stat() (size int64, mtime time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size, s.mtime
}

// Changes returns the number of changes of the content, the time and the mode.
func (s *Stage) Changes() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seq
}

// OverBase reports whether bytes of the base are part of the content.
func (s *Stage) OverBase() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.baseValid > 0
}

// BaseFitsOnePut reports whether there is a base that one PutObject would have to send.
func (s *Stage) BaseFitsOnePut() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.baseValid > 0 && s.baseValid <= parts.Size
}

// Complete reports whether all of the content is staged, so that the base is not needed.
func (s *Stage) Complete() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dirty.Has(0, s.baseValid)
}

// Lseek finds the next data or hole from off on, for SEEK_DATA and SEEK_HOLE.
// Bytes of the base count as data. The error is ENXIO at and behind the end.
func (s *Stage) Lseek(off int64, hole bool) (int64, error) {
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

// Size returns the size of the content.
func (s *Stage) Size() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size
}
