package receipts

import (
	"context"
	"hash/maphash"
	"io"
	"os"
)

// seen are the events of versions that a ledger has. It reads each line of the file once.
type seen struct {
	seed maphash.Seed
	has  map[uint64]struct{} // hashes: two versions that have the same one are not to be expected
	size int64               // of the file, as far as it was read
}

func (s *seen) hash(e *Entry) uint64 {
	return maphash.Comparable(s.seed, [3]string{string(e.Event), string(e.Key), e.ETag})
}

// unseen returns those entries that are to be appended to a file of a size.
func (s *seen) unseen(ctx context.Context, f *os.File, size int64, entries []Entry) ([]Entry, error) {
	if s.has == nil || size < s.size {
		*s = seen{seed: maphash.MakeSeed(), has: map[uint64]struct{}{}}
	}
	_, err := read(ctx, io.NewSectionReader(f, s.size, size-s.size), nil, func(e *Entry) error {
		s.has[s.hash(e)] = struct{}{}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.size = size
	var left []Entry
	now := map[uint64]struct{}{}
	for _, e := range entries {
		h := s.hash(&e)
		if e.Once {
			_, had := s.has[h]
			if _, again := now[h]; had || again {
				continue
			}
		}
		now[h] = struct{}{}
		left = append(left, e)
	}
	return left, nil
}
