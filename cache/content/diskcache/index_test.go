package diskcache

import (
	"reflect"
	"testing"
)

func TestIndex(t *testing.T) {
	for _, tt := range []struct {
		key, etag string
		size      int64
		blocks    []int64
	}{
		{"", "", 0, nil},
		{"a/b", "e", 100, []int64{0}},
		{"key with \x00 and ü", "e-5", 100 * BlockSize, []int64{0, 1, 2, 5, 62, 63, 64, 65, 99}},
		{"large", "e", 1 << 40, []int64{7, 1 << 20, 1<<23 - 1}},
	} {
		x := &index{key: tt.key, etag: tt.etag, size: tt.size}
		for _, i := range tt.blocks {
			x.sums.set(i, uint32(i)*2654435761)
		}
		b := x.encode()
		got, err := decodeIndex(b)
		if err != nil || !reflect.DeepEqual(got, x) {
			t.Errorf("%q: decodeIndex(encode()) = %+v, %v, want %+v", tt.key, got, err, x)
		}
		for i := range b {
			bad := append([]byte(nil), b...)
			bad[i] ^= 0x10
			if _, err := decodeIndex(bad); err == nil {
				t.Errorf("%q: a flipped bit in byte %d is not seen", tt.key, i)
			}
			if _, err := decodeIndex(b[:i]); err == nil {
				t.Errorf("%q: being cut off at byte %d is not seen", tt.key, i)
			}
		}
	}
}

func TestSumsFill(t *testing.T) {
	for _, n := range []int64{0, 1, 63, 64, 65, 200} {
		var s sums
		s.fill(n)
		if got := s.count(); got != n || s.has(n) || n > 0 && !s.has(n-1) {
			t.Errorf("fill(%d): count %d, has(n) %v", n, got, s.has(n))
		}
		if _, ok := s.crc(0); ok {
			t.Errorf("fill(%d): the CRC of block 0 is known", n)
		}
	}
}

func FuzzDecodeIndex(f *testing.F) {
	x := &index{key: "k", etag: "e", size: 10 * BlockSize}
	x.sums.set(3, 1)
	f.Add(x.encode())
	large := &index{key: "k", etag: "e", size: 1<<53 - 1} // of which a block is here
	large.sums.set(1<<20, 1)
	f.Add(large.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := decodeIndex(b)
		if err != nil {
			return
		}
		if _, err := decodeIndex(x.encode()); err != nil {
			t.Errorf("what was decoded cannot be encoded: %v", err)
		}
	})
}
