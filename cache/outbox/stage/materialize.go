package stage

import (
	"context"
	"io"

	"golang.org/x/sync/semaphore"

	"github.com/s3share/s3share/cache/outbox/parts"
)

// The bytes of the base that a part needs are read at once: they are fewer than the smallest
// part has, and one request. largeBuffers limits the memory for that.
const (
	maxRead          = parts.MinSize
	maxLargeReads    = 4
	maxUnlimitedRead = 1 << 20 // bytes
)

var largeBuffers = semaphore.NewWeighted(maxLargeReads)

// Materialize copies what is not staged of [off, end) from the base into the staged file, so
// that the base is not needed for it.
func (s *Stage) Materialize(ctx context.Context, off, end int64) error {
	s.mu.Lock()
	end = min(end, s.baseValid)
	base, gaps := s.base, s.dirty.Gaps(off, end)
	s.mu.Unlock()
	longest := int64(0)
	for _, g := range gaps {
		longest = max(longest, g.End-g.Off)
	}
	limit := int64(maxUnlimitedRead)
	if longest > limit && longest <= maxRead {
		if err := largeBuffers.Acquire(ctx, 1); err != nil {
			return err
		}
		defer largeBuffers.Release(1)
		limit = maxRead
	}
	buf := make([]byte, min(longest, limit))
	for _, g := range gaps {
		for g.Off < g.End {
			n := min(g.End-g.Off, limit)
			if _, err := base.ReadAt(ctx, buf[:n], g.Off); err != nil && err != io.EOF {
				return err
			}
			if err := s.addBase(buf[:n], g.Off); err != nil {
				return err
			}
			g.Off += n
		}
	}
	return nil
}

// addBase writes bytes of the base where nothing was staged meanwhile.
func (s *Stage) addBase(p []byte, off int64) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	end := min(off+int64(len(p)), s.baseValid)
	for _, g := range s.dirty.Gaps(off, end) {
		if _, err := s.file.WriteAt(p[g.Off-off:g.End-off], g.Off); err != nil {
			return err
		}
		s.dirty.Add(g.Off, g.End) // no CRC covers a range that was not written
		s.bytesSeq++
	}
	return nil
}
