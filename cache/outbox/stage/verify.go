package stage

import (
	"hash/crc32"
	"io"
	"slices"

	"github.com/s3share/s3share/cache/extent"
	"github.com/s3share/s3share/cache/outbox/parts"
	"github.com/s3share/s3share/s3backend"
)

// CRC32 reads a range of the staged file, and returns its CRC-32 as S3 writes it.
func (s *Stage) CRC32(off, n int64) (string, error) {
	h := crc32.NewIEEE()
	if _, err := io.Copy(h, s.Body(off, n, nil)); err != nil {
		return "", err
	}
	return s3backend.FormatCRC32(h.Sum32()), nil
}

// CanCopy reports whether the parts of list that S3 is to copy from the base are still parts of
// it, without anything staged in them.
func (s *Stage) CanCopy(list []parts.Part) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range list {
		if p.Copied && (p.Off+p.N > s.baseValid || s.hasAnyLocked(p.Off, p.Off+p.N)) {
			return false
		}
	}
	return true
}

// HasAny reports whether any byte of [off, end) is staged.
func (s *Stage) HasAny(off, end int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hasAnyLocked(off, end)
}

func (s *Stage) hasAnyLocked(off, end int64) bool {
	return !slices.Equal(s.dirty.Gaps(off, end), []extent.Range{{Off: off, End: end}})
}
