package outbox

import (
	"context"
	"io"

	"golang.org/x/sync/semaphore"

	"github.com/s3share/s3share/cache/outbox/parts"
)

// What a part lacks beside what was written is asked for at once: it is less than the
// smallest part, and one request. fillBuffers bounds the memory for that.
const (
	fillMost    = parts.MinSize
	fillAtOnce  = 4
	fillForFree = 1 << 20 // bytes at a time that need no place in fillBuffers
)

var fillBuffers = semaphore.NewWeighted(fillAtOnce)

// fill copies what [off, end) lacks from the base into the staged file, so that
// the file alone holds these bytes. They are not dirty, but there.
func (s *stage) fill(ctx context.Context, off, end int64) error {
	s.mu.Lock()
	end = min(end, s.baseValid)
	base, gaps := s.base, s.dirty.Gaps(off, end)
	s.mu.Unlock()
	longest := int64(0)
	for _, g := range gaps {
		longest = max(longest, g.End-g.Off)
	}
	most := int64(fillForFree)
	if longest > most && longest <= fillMost {
		if err := fillBuffers.Acquire(ctx, 1); err != nil {
			return err
		}
		defer fillBuffers.Release(1)
		most = fillMost
	}
	buf := make([]byte, min(longest, most))
	for _, g := range gaps {
		for g.Off < g.End {
			n := min(g.End-g.Off, most)
			if _, err := base.ReadAt(ctx, buf[:n], g.Off); err != nil && err != io.EOF {
				return err
			}
			if err := s.fillOne(buf[:n], g.Off); err != nil {
				return err
			}
			g.Off += n
		}
	}
	return nil
}

// fillOne writes base bytes where nothing newer was written meanwhile.
func (s *stage) fillOne(p []byte, off int64) error {
	s.filling.Lock()
	defer s.filling.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	end := min(off+int64(len(p)), s.baseValid)
	for _, g := range s.dirty.Gaps(off, end) {
		if _, err := s.file.WriteAt(p[g.Off-off:g.End-off], g.Off); err != nil {
			return err
		}
		s.dirty.Add(g.Off, g.End) // where nothing was written: no sum is of it
		s.bytesSeq++
	}
	return nil
}
