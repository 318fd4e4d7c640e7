package diskcache

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"maps"
	"math/bits"
	"slices"
)

// castagnoli is the CRC that processors compute by themselves.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sums is which blocks of a version a data file holds, and their CRC32C.
// The zero sums holds none.
type sums struct {
	chunks map[int64]*chunk
}

// chunk is sums for 64 blocks.
type chunk struct {
	present, summed uint64 // summed blocks are present
	checked         uint64 // these were read since, and were the bytes that were written
	crc             [64]uint32
}

func (s *sums) at(i int64) (c *chunk, bit uint64) {
	return s.chunks[i>>6], 1 << (i & 63)
}

func (s *sums) has(i int64) bool {
	c, bit := s.at(i)
	return c != nil && c.present&bit != 0
}

// crc returns the CRC of block i, or false if it is not known.
func (s *sums) crc(i int64) (uint32, bool) {
	c, bit := s.at(i)
	if c == nil || c.summed&bit == 0 {
		return 0, false
	}
	return c.crc[i&63], true
}

// checked reports whether block i was read since it was written or found, and was sound.
func (s *sums) checked(i int64) bool {
	c, bit := s.at(i)
	return c != nil && c.checked&bit != 0
}

// check notes block i, whose CRC is known, as sound.
func (s *sums) check(i int64) {
	if c, bit := s.at(i); c != nil {
		c.checked |= c.summed & bit
	}
}

// set notes block i as present.
func (s *sums) set(i int64, crc uint32) {
	c, bit := s.at(i)
	if c == nil {
		if s.chunks == nil {
			s.chunks = make(map[int64]*chunk)
		}
		c = new(chunk)
		s.chunks[i>>6] = c
	}
	c.present |= bit
	c.summed |= bit
	c.checked &^= bit
	c.crc[i&63] = crc
}

// fill notes the first n blocks as present, their CRCs unknown.
func (s *sums) fill(n int64) {
	s.chunks = make(map[int64]*chunk, n>>6+1)
	for i := int64(0); i < n; i += 64 {
		s.chunks[i>>6] = &chunk{present: ^uint64(0) >> max(0, 64-(n-i))}
	}
}

func (s *sums) drop(i int64) {
	if c, bit := s.at(i); c != nil {
		c.present &^= bit
		c.summed &^= bit
		c.checked &^= bit
	}
}

// count is the number of present blocks.
func (s *sums) count() (n int64) {
	for _, c := range s.chunks {
		n += int64(bits.OnesCount64(c.present))
	}
	return n
}

// index is what an index file says of the data file beside it.
type index struct {
	key, etag string
	size      int64
	sums      sums
}

// An index file is indexMagic, key, etag, size, then runs of blocks up to one
// of length 0, each its first block, its length and the CRCs; then the CRC32C of
// all that. Numbers are varints, CRCs four bytes, little endian; strings have
// their length before them.
const indexMagic = "s3share index 1\n"

var errIndex = errors.New("content: damaged index")

// encode returns the index file's content: the blocks whose CRC is known.
func (x *index) encode() []byte {
	b := []byte(indexMagic)
	for _, s := range []string{x.key, x.etag} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	b = binary.AppendUvarint(b, uint64(x.size))
	// Only chunks that are here: a file may be huge, and little of it cached.
	n, i := BlocksIn(x.size), int64(0)
	for _, c := range slices.Sorted(maps.Keys(x.sums.chunks)) {
		for i = max(i, c<<6); i < min(n, (c+1)<<6); {
			end := i
			for end < n {
				if _, ok := x.sums.crc(end); !ok {
					break
				}
				end++
			}
			if end == i {
				i++
				continue
			}
			b = binary.AppendUvarint(b, uint64(i))
			b = binary.AppendUvarint(b, uint64(end-i))
			for ; i < end; i++ {
				crc, _ := x.sums.crc(i)
				b = binary.LittleEndian.AppendUint32(b, crc)
			}
		}
	}
	b = append(b, 0, 0)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// decodeIndex reads an index file's content.
func decodeIndex(b []byte) (*index, error) {
	if len(b) < len(indexMagic)+4 || string(b[:len(indexMagic)]) != indexMagic {
		return nil, errIndex
	}
	end := len(b) - 4
	if crc32.Checksum(b[:end], castagnoli) != binary.LittleEndian.Uint32(b[end:]) {
		return nil, errIndex
	}
	b = b[len(indexMagic):end]
	ok := true
	number := func() int64 {
		v, n := binary.Uvarint(b)
		if n <= 0 || v > 1<<62 {
			ok = false
			return 0
		}
		b = b[n:]
		return int64(v)
	}
	text := func() string {
		n := number()
		if n > int64(len(b)) {
			ok = false
			return ""
		}
		s := string(b[:n])
		b = b[n:]
		return s
	}
	x := &index{key: text(), etag: text(), size: number()}
	for ok {
		i, n := number(), number()
		if n == 0 {
			break
		}
		if n > int64(len(b))/4 || i+n > BlocksIn(x.size) {
			return nil, errIndex
		}
		for ; n > 0; n-- {
			x.sums.set(i, binary.LittleEndian.Uint32(b))
			b = b[4:]
			i++
		}
	}
	if !ok || len(b) != 0 {
		return nil, errIndex
	}
	return x, nil
}
