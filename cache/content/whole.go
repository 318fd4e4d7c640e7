package content

import (
	"io"
	"time"
)

const (
	wholeAfter = 16 // the fewest missing blocks for which the whole object is fetched
	// wholeRate is what a good line gives a second, in bytes. When random reads have
	// waited for single blocks about as long as the whole object would take, the
	// whole is fetched, so that it never costs more than twice the better choice:
	// 1 GiB after 128 blocks at 20 ms, and not at all where an answer takes no time.
	wholeRate = 400 << 20
)

// missedLocked counts a block of v that a random read found missing, and starts
// fetching the whole of v once that is the better bargain and there is a place
// to keep it.
func (c *Cache) missedLocked(v *version) {
	v.missed++
	waited := time.Duration(v.missed) * v.answer
	if v.missed < wholeAfter || waited.Seconds()*wholeRate < float64(v.obj.Size) || v.whole || v.private {
		return
	}
	room := int64(c.mem.slots) * blockSize / 2
	if v.disk != nil {
		room = max(room, c.disk.limit/2)
	}
	if v.obj.Size > room {
		return
	}
	v.whole = true
	c.g.Go(func() { c.fetchWhole(v) })
}

// fetchWhole reads v from its beginning to its end, what is on the disk already left
// out, until nobody else has it open.
func (c *Cache) fetchWhole(v *version) {
	r := c.Open(v.obj)
	defer r.Close()
	p := make([]byte, minWindow)
	for off := int64(0); off < v.obj.Size; {
		c.mu.Lock()
		if r.v != v || v.readers < 2 {
			off = v.obj.Size
		}
		for off < v.obj.Size && v.blocks[off/blockSize] == nil && v.onDisk(off/blockSize) {
			off += blockSize // what is on its way is read: to wait there is what makes it come in parallel
		}
		c.mu.Unlock()
		if off >= v.obj.Size {
			break
		}
		n, err := r.ReadAt(c.ctx, p, off)
		if err != nil && err != io.EOF {
			break // who reads on hears of it
		}
		off += int64(n) &^ (blockSize - 1)
		if err == io.EOF {
			break
		}
	}
	c.mu.Lock()
	v.whole = false
	v.missed = 0
	c.mu.Unlock()
}
