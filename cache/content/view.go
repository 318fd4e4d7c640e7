package content

import (
	"context"
	"sync"

	"github.com/s3share/s3share/cache/content/diskcache"
)

// View is a part of an object where it lies in the Cache's memory, which keeps it
// until the View is released.
type View struct {
	c       *Cache
	r       *Reader
	count   int // blocks that it was counted for
	blocks  []*block
	bypass  *[maxBypass]byte // instead of blocks, of a read that got what it asked for
	slices  [][]byte
	begin   int64    // of the block that slices begin in, in bytes
	around  [][]byte // all bytes of the blocks that slices are parts of, if they are offered
	release sync.Once
}

// View returns up to n bytes from off, after waiting for them. It returns nil if there are none, or
// if Views already pin so much memory that the caller should copy. Errors are those of ReadAt.
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
	from, to := off/blockSize, diskcache.BlocksIn(end)
	count := int(to - from)
	// The rest of the memory is for what the viewed blocks wait for.
	if c.mem.pool.viewed+count > c.mem.pool.slots/4 {
		return nil, nil
	}
	c.mem.pool.viewed += count
	c.g.Add(1)
	v := &View{c: c, r: r, count: count, blocks: make([]*block, 0, count),
		slices: make([][]byte, 0, count), begin: from * blockSize}
	q := r.noteLocked(off, end)
	repeated := r.repeatedLocked(off, end)
	if q == nil && end-off <= maxBypass {
		first, last := off, end // what is read
		if repeated {
			first, last = v.begin, min(to*blockSize, r.v.obj.Size)
		}
		buf := bypassBuffers.Get().(*[maxBypass]byte)
		if bypassed, err := r.bypassLocked(ctx, q, buf[:last-first], first); bypassed {
			v.bypass, v.slices = buf, append(v.slices, buf[off-first:end-first])
			if repeated {
				v.around = append(v.around, buf[:last-first])
			}
			if err != nil {
				v.releaseLocked()
				return nil, err
			}
			r.read.add(off, end)
			return v, nil
		}
		bypassBuffers.Put(buf)
	}
	r.startLocked(q, off, end)
	for i := from; i < to; i++ {
		b, err := r.pinnedLocked(ctx, q, i, to)
		if err != nil {
			v.releaseLocked()
			return nil, err
		}
		c.mem.touch(b)
		at := i * blockSize
		v.blocks = append(v.blocks, b)
		v.slices = append(v.slices, c.mem.pool.bytes(b.slot)[max(off-at, 0):min(end-at, blockSize)])
		if repeated {
			v.around = append(v.around, c.mem.pool.bytes(b.slot)[:r.v.length(i)])
		}
	}
	r.read.add(off, end)
	return v, nil
}

// Slices returns the bytes. They must not be changed, nor used after Release.
func (v *View) Slices() [][]byte { return v.slices }

// Around returns all bytes of the blocks that Slices are parts of, and where these begin in the
// object, if it pays to give the kernel all of them; else none. What is said of Slices holds of
// them.
func (v *View) Around() (off int64, bytes [][]byte) { return v.begin, v.around }

// Of reports whether r returned the View.
func (v *View) Of(r *Reader) bool { return v.r == r }

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
	v.c.mem.pool.viewed -= v.count
	for _, b := range v.blocks {
		v.c.mem.unpin(b)
	}
	if v.bypass != nil {
		bypassBuffers.Put(v.bypass)
	}
	v.c.g.Done()
}
