package buckettest

import "encoding/binary"

// The race detector checks each byte that the built-in copy and package bytes touch, which takes
// it longer than all else in a test of large objects. The functions below are not checked. They
// are for bytes that nobody changes any more: those of an object or of a part, and a test's own.

// clone returns a copy of the bytes of all parts, one after the other.
func clone(parts ...[]byte) []byte {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	data := make([]byte, size)
	off := 0
	for _, p := range parts {
		copyUnchecked(data[off:], p)
		off += len(p)
	}
	return data
}

// copyUnchecked copies all of from to the beginning of to.
//
//go:norace
func copyUnchecked(to, from []byte) {
	for len(from) >= 8 {
		binary.NativeEndian.PutUint64(to, binary.NativeEndian.Uint64(from))
		to, from = to[8:], from[8:]
	}
	for i := range len(from) {
		to[i] = from[i]
	}
}

// Equal is bytes.Equal for the bytes of large objects.
//
//go:norace
func Equal(a, b []byte) bool {
	if len(a) != len(b) {
		return false
	}
	for len(a) >= 8 {
		if binary.NativeEndian.Uint64(a) != binary.NativeEndian.Uint64(b) {
			return false
		}
		a, b = a[8:], b[8:]
	}
	for i, c := range a {
		if b[i] != c {
			return false
		}
	}
	return true
}
