package content

// slot numbers a piece of blockSize bytes of an arena.
type slot int32

// noSlot is the slot of a block that has none.
const noSlot slot = -1

// arena is the memory of all blocks. It lies outside of Go's heap, so that the
// collector neither looks at it nor counts it, and it never grows.
type arena struct {
	mem   []byte
	slots int
}

// bytes returns the memory of s, which its owner alone may use.
func (a *arena) bytes(s slot) []byte {
	o := int(s) * blockSize
	return a.mem[o : o+blockSize : o+blockSize]
}
