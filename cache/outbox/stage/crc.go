package stage

import (
	"hash/crc32"

	"github.com/s3share/s3share/cache/outbox/uplink"
)

// crcs are the CRC-32s (IEEE) of the units of a staged file, by unit, computed from what programs
// wrote. They are known of what was written once and in order, as most files are. Then the
// file need not be read to compute them, and S3 detects a change by the local disk.
type crcs map[int64]*unitCRC

// unitCRC is the CRC of the bytes from the start of a unit to end.
type unitCRC struct {
	end    int64
	crc    uint32
	broken bool // written in another order, or more than once
}

// update records that p was written at off.
func (s crcs) update(p []byte, off int64) {
	for len(p) > 0 {
		u := off / unit
		part := p[:min(int64(len(p)), (u+1)*unit-off)]
		t := s[u]
		if t == nil {
			t = &unitCRC{end: u * unit}
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

// forget records that [off, end) was changed in another way.
func (s crcs) forget(off, end int64) {
	for u, t := range s {
		t.broken = t.broken || u*unit < end && off < t.end
	}
}

// cut records that the file ends at size.
func (s crcs) cut(size int64) {
	for u, t := range s {
		if u*unit >= size {
			delete(s, u)
		} else if t.end > size {
			t.broken = true
		}
	}
}

// of returns the CRC of [off, off+n) if it is known.
func (s crcs) of(off, n int64) (crc uint32, ok bool) {
	if off%unit != 0 {
		return 0, false
	}
	for end := off + n; off < end || !ok; {
		t, to := s[off/unit], min(off+unit, end)
		if t == nil || t.broken || t.end != to {
			return 0, false
		}
		crc, ok, off = CombineCRC(crc, t.crc, to-off), true, to
	}
	return crc, true
}

// bodyWithCRC is a body whose CRC is known; see s3backend.Summed.
type bodyWithCRC struct {
	uplink.Body
	crc uint32
}

// CRC32 implements s3backend.Summed.
func (b bodyWithCRC) CRC32() uint32 { return b.crc }

// polynomial is that of CRC-32 (IEEE), bit-reversed as in hash/crc32.
const polynomial = 0xedb88320

// CombineCRC returns the CRC-32 of two byte strings one after the other. The second has n bytes.
// It is the CRC of the first times x^8n, plus the CRC of the second.
func CombineCRC(first, second uint32, n int64) uint32 {
	power, square := uint32(1)<<31, uint32(1)<<23 // x^0 and x^8
	for ; n > 0; n >>= 1 {
		if n&1 != 0 {
			power = gf2Multiply(power, square)
		}
		square = gf2Multiply(square, square)
	}
	return gf2Multiply(power, first) ^ second
}

// gf2Multiply multiplies polynomials over GF(2), modulo that of CRC-32.
func gf2Multiply(a, b uint32) (product uint32) {
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
