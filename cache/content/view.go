package content

import (
	"context"
	"sync"
)

// View is a part of an object where it lies in the Cache's memory, which keeps it
// until the View is released.
type View struct {
	c       *Cache
	blocks  []*block
	slices  [][]byte
	release sync.Once
}

// View returns the bytes from off on, n at most, once they are here. It returns nil
// where there are none, or where so much of the memory is viewed already that these
// had better be copied. Errors are those of ReadAt.
func (r *Reader) View(ctx context.Context, off, n int64) (*View, error) {
	c := r.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || r.closed {
		return nil, ErrClosed
	}
	end := min(off+n, r.v.obj.Size)
	if off < 0 || off >= end {
		return nil, nil
	}
	from, to := off/blockSize, blocksIn(end)
	count := int(to - from)
	// The rest of the memory is for what the viewed blocks wait for.
	if c.viewed+count > c.mem.slots/4 {
		return nil, nil
	}
	c.viewed += count
	c.g.Add(1)
	v := &View{c: c, blocks: make([]*block, 0, count), slices: make([][]byte, 0, count)}
	q := r.startLocked(off, end)
	for i := from; i < to; i++ {
		b, err := r.pinnedLocked(ctx, q, i, to)
		if err != nil {
			c.viewed -= count - len(v.blocks)
			v.releaseLocked()
			return nil, err
		}
		c.touchLocked(b)
		at := i * blockSize
		v.blocks = append(v.blocks, b)
		v.slices = append(v.slices, c.mem.bytes(b.slot)[max(off-at, 0):min(end-at, blockSize)])
	}
	return v, nil
}

// Slices returns the bytes. They must not be changed, nor used after Release.
func (v *View) Slices() [][]byte { return v.slices }

// Len is the number of bytes.
func (v *View) Len() (n int) {
	for _, s := range v.slices {
		n += len(s)
	}
	return n
}

// Release lets the Cache use the memory for others. Only the first call does anything.
func (v *View) Release() {
	v.release.Do(func() {
		v.c.mu.Lock()
		defer v.c.mu.Unlock()
		v.releaseLocked()
	})
}

func (v *View) releaseLocked() {
	v.c.viewed -= len(v.blocks)
	for _, b := range v.blocks {
		v.c.unpinLocked(b)
	}
	v.c.g.Done()
}
