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
	// The keys of both maps are hashes: two versions that have the same one are not to be expected.
	has  map[uint64]struct{}
	last map[uint64]versionHash // of an event and a key
	size int64                  // of the file, as far as it was read
}

// versionHash is a version of a key as the hashes of its ETag and its version ID; 0 if there is
// none.
type versionHash struct{ etag, id uint64 }

// same reports whether both are the same version, as far as that is known.
func (v versionHash) same(w versionHash) bool {
	return v.etag == w.etag && (v.id == w.id || v.id == 0 || w.id == 0)
}

func (s *seen) hash(texts ...string) uint64 {
	var h maphash.Hash
	h.SetSeed(s.seed)
	for _, text := range texts {
		maphash.WriteComparable(&h, text)
	}
	return h.Sum64()
}

// hashes returns the keys of an entry in has and last, and its version.
func (s *seen) hashes(e *Entry) (of, key uint64, v versionHash) {
	v.etag = s.hash(e.ETag)
	if e.VersionID != "" {
		v.id = s.hash(e.VersionID)
	}
	return s.hash(string(e.Event), string(e.Key), e.ETag), s.hash(string(e.Event), string(e.Key)), v
}

func (s *seen) add(e *Entry) {
	of, key, v := s.hashes(e)
	s.has[of], s.last[key] = struct{}{}, v
}

func newSeen(seed maphash.Seed) seen {
	return seen{seed: seed, has: map[uint64]struct{}{}, last: map[uint64]versionHash{}}
}

// unseen returns those entries that are to be appended to a file of a size.
func (s *seen) unseen(ctx context.Context, f *os.File, size int64,
	entries []Entry) ([]Entry, error) {
	if s.has == nil || size < s.size {
		*s = newSeen(maphash.MakeSeed())
	}
	_, err := read(ctx, io.NewSectionReader(f, s.size, size-s.size), nil, func(e *Entry) error {
		s.add(e)
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.size = size
	// Apart from s: if the entries cannot be written, the ledger does not have them.
	now := newSeen(s.seed)
	var left []Entry
	for _, e := range entries {
		of, key, v := s.hashes(&e)
		_, had := s.has[of]
		_, again := now.has[of]
		last, any := now.last[key]
		if !any {
			last, any = s.last[key]
		}
		if e.Once && (had || again) || e.UnlessLast && any && last.same(v) {
			continue
		}
		now.add(&e)
		left = append(left, e)
	}
	return left, nil
}
