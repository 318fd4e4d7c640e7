package outbox

import (
	"hash/crc32"

	"github.com/s3share/s3share/cache/outbox/uplink"
)

// sums are the CRC-32s (IEEE) of the units of a staged file, of touchUnit bytes
// each, as they came from whoever wrote them. They are known of what was written
// once and in order, as most files are: then it need not be read again to be sent,
// and S3 finds out if the local disk has changed it.
type sums map[int64]*sum // by unit

// sum is of the bytes from a unit's start to end.
type sum struct {
	end    int64
	crc    uint32
	broken bool // written in another order, or more than once
}

// wrote notes that p was written at off.
func (s sums) wrote(p []byte, off int64) {
	for len(p) > 0 {
		u := off / touchUnit
		part := p[:min(int64(len(p)), (u+1)*touchUnit-off)]
		t := s[u]
		if t == nil {
			t = &sum{end: u * touchUnit}
			s[u] = t
		}
		if t.broken = t.broken || t.end != off; !t.broken {
			t.crc = crc32.Update(t.crc, crc32.IEEETable, part)
			t.end += int64(len(part))
		}
		off += int64(len(part))
		p = p[len(part):]
	}
}

// forget notes that [off, end) was changed in another way.
func (s sums) forget(off, end int64) {
	for u, t := range s {
		t.broken = t.broken || u*touchUnit < end && off < t.end
	}
}

// cut notes that the file ends at size.
func (s sums) cut(size int64) {
	for u, t := range s {
		if u*touchUnit >= size {
			delete(s, u)
		} else if t.end > size {
			t.broken = true
		}
	}
}

// of returns the sum of [off, off+n) if that is known.
func (s sums) of(off, n int64) (crc uint32, ok bool) {
	if off%touchUnit != 0 {
		return 0, false
	}
	for end := off + n; off < end || !ok; {
		t, to := s[off/touchUnit], min(off+touchUnit, end)
		if t == nil || t.broken || t.end != to {
			return 0, false
		}
		crc, ok, off = joined(crc, t.crc, to-off), true, to
	}
	return crc, true
}

// summed is a body that knows its checksum; see s3backend.Summed.
type summed struct {
	uplink.Body
	sum uint32
}

// CRC32 implements s3backend.Summed.
func (s summed) CRC32() uint32 { return s.sum }

// polynomial is that of CRC-32 (IEEE), reflected as in hash/crc32.
const polynomial = 0xedb88320

// joined is the CRC-32 of two byte strings one after the other, of which the second
// has n bytes: that of the first times x^8n, plus that of the second.
func joined(first, second uint32, n int64) uint32 {
	power, square := uint32(1)<<31, uint32(1)<<23 // x^0 and x^8
	for ; n > 0; n >>= 1 {
		if n&1 != 0 {
			power = times(power, square)
		}
		square = times(square, square)
	}
	return times(power, first) ^ second
}

// times multiplies polynomials over GF(2), modulo that of CRC-32.
func times(a, b uint32) (product uint32) {
	for bit := uint32(1) << 31; bit != 0; bit >>= 1 {
		if a&bit != 0 {
			product ^= b
		}
		if b&1 != 0 {
			b = b>>1 ^ polynomial
		} else {
			b >>= 1
		}
	}
	return product
}
