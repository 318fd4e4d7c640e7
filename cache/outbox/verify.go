package outbox

import (
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"github.com/s3share/s3share/cache/extent"
	"github.com/s3share/s3share/cache/outbox/parts"
	"github.com/s3share/s3share/s3backend"
)

// verify forgets the parts of an earlier process that are not what the staged file
// holds: they were written again after they had gone up.
func (it *Item) verify(up *transfer) error {
	up.mu.Lock()
	defer up.mu.Unlock()
	if !up.recovered {
		return nil
	}
	up.recovered = false
	for num, d := range up.done {
		if d.Copied && !it.stage.touched(d.Off, d.Off+d.N) {
			continue
		}
		same := false
		if d.s3.CRC32 != "" && !d.Copied && it.stage.has(d.Off, d.Off+d.N) {
			sum, err := it.stage.crc32(d.Off, d.N)
			if err != nil {
				return fmt.Errorf("reading what was staged: %w", err)
			}
			same = sum == d.s3.CRC32
		}
		if !same {
			delete(up.done, num)
		}
	}
	return nil
}

// crc32 is the checksum of a range of the staged file, as S3 writes it.
func (s *stage) crc32(off, n int64) (string, error) {
	h := crc32.NewIEEE()
	if _, err := io.Copy(h, s.body(off, n, nil)); err != nil {
		return "", err
	}
	return s3backend.FormatCRC32(h.Sum32()), nil
}

// stillFits reports whether what an earlier process planned to have copied from the
// base is still there, and still wanted.
func (s *stage) stillFits(list []parts.Part) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range list {
		end := p.Off + p.N
		if p.Copied && (end > s.baseValid || !slices.Equal(s.dirty.Gaps(p.Off, end), []extent.Range{{Off: p.Off, End: end}})) {
			return false
		}
	}
	return true
}

// touched reports whether any byte of [off, end) was staged.
func (s *stage) touched(off, end int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.dirty.Gaps(off, end)
	return len(g) != 1 || g[0] != extent.Range{Off: off, End: end}
}
