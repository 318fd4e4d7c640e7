package content

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/s3share/s3share/cache/content/diskcache"
	"github.com/s3share/s3share/cache/content/prefetch"
)

// A read of a large object that follows no other gets the bytes that it asks for and no
// more, past the blocks: most of those would never be read, and the kernel keeps what
// was. If the disk cache has them, they come from there. Else the source is asked, and whoever
// reads there again, or meanwhile, gets whole blocks.
const (
	maxBypass = 2 * blockSize // bytes; of longer reads, blocks bring little else
	// keptBypassed is of how many blocks of a version it is remembered that a read bypassed them.
	keptBypassed = 64
)

// bypassLocked fills p with the bytes from off on, past the blocks, and reports whether it did: a
// read that belongs to the sequence q, and others that need blocks, are left alone. It gives up
// Cache.mu meanwhile.
func (r *Reader) bypassLocked(ctx context.Context, q *sequence, p []byte, off int64) (bool, error) {
	if q != nil || r.missingOnly || len(p) > maxBypass || r.v.obj.Size <= prefetch.MinWindow {
		return false, nil
	}
	from, to := off/blockSize, diskcache.BlocksIn(off+int64(len(p)))
	switch r.v.stateOf(from, to) {
	case prefetch.OnDisk:
		return r.readDiskLocked(p, off), nil
	case prefetch.Missing:
		if r.takeStreamLocked(from, to) {
			return true, r.fetchBypassLocked(ctx, p, off)
		}
	case prefetch.Here:
		if r.v.farInFlight(from) && r.takeStreamLocked(from, to) {
			return true, r.fetchBypassLocked(ctx, p, off)
		}
	}
	return false, nil
}

// longInFlight is how much may come before a block in flight, in bytes, for a read to wait for it.
const longInFlight = 1 << 20

// farInFlight reports whether block i is on its way, and much of its request comes before it.
func (v *version) farInFlight(i int64) bool {
	b := v.blocks[i]
	return b != nil && b.fetch != nil &&
		b.done == nil && i-b.fetch.blocks[b.fetch.filled].index > longInFlight/blockSize
}

// stateOf is the State of all blocks [from, to); Here if they are not in the same one.
func (v *version) stateOf(from, to int64) prefetch.State {
	first := v.State(from)
	for i := from + 1; i < to; i++ {
		if v.State(i) != first {
			return prefetch.Here
		}
	}
	return first
}

// readDiskLocked fills p from the disk cache, and reports whether it could. If not, the blocks are
// read, which finds out why. It gives up Cache.mu meanwhile.
func (r *Reader) readDiskLocked(p []byte, off int64) bool {
	c, e := r.c, r.v.disk
	c.disk.Hold(e)
	c.mu.Unlock()
	err := c.disk.ReadAt(e, p, off)
	c.disk.Release(e)
	c.mu.Lock()
	if err != nil {
		return false
	}
	c.stats.Misses++
	c.stats.FromDisk += int64(len(p))
	return true
}

// takeStreamLocked reports whether a read of the blocks [from, to), which are missing, is to be one
// request of its own, and takes a stream for it if so.
func (r *Reader) takeStreamLocked(from, to int64) bool {
	c, v := r.c, r.v
	if c.streams.running >= c.streams.limit || c.streams.awaited() {
		return false
	}
	for i := from; i < to; i++ {
		if slices.Contains(v.bypassed, i) {
			return false
		}
	}
	for i := from; i < to; i++ {
		if len(v.bypassed) == keptBypassed {
			v.bypassed = slices.Delete(v.bypassed, 0, keptBypassed/4)
		}
		v.bypassed = append(v.bypassed, i)
	}
	return c.streams.take()
}

// fetchBypassLocked fills p with the bytes from off on, by the stream that takeStreamLocked
// took. It gives up Cache.mu meanwhile.
func (r *Reader) fetchBypassLocked(ctx context.Context, p []byte, off int64) error {
	c, v := r.c, r.v
	c.stats.Gets++
	c.stats.Misses++
	c.missedLocked(v)
	v.waiting++
	asked := c.now()
	c.mu.Unlock()
	err := r.getBypass(ctx, p, off)
	c.mu.Lock()
	c.startPendingLocked()
	c.waitedLocked(v, time.Duration(c.now()-asked))
	switch {
	case err == nil:
		c.receivedLocked(int64(len(p)))
		return nil
	case c.closed:
		return ErrClosed
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return err
}

// getBypass asks the source for the bytes from off on, until ctx or the Cache ends.
func (r *Reader) getBypass(ctx context.Context, p []byte, off int64) error {
	c, v := r.c, r.v
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.ctx, cancel)()
	start := time.Now()
	body, err := c.src.Get(ctx, v.obj, off, int64(len(p)))
	c.mu.Lock()
	if err == nil {
		v.answeredLocked(c, start)
	} else {
		v.failedLocked(err)
	}
	c.mu.Unlock()
	if err != nil {
		return err
	}
	defer body.Close()
	switch _, err := io.ReadFull(body, p); {
	case err != nil:
		return fmt.Errorf("read %d bytes at %d of %q: %w", len(p), off, v.obj.Key, noEOF(err))
	case !ended(body):
		return fmt.Errorf("read %d bytes at %d of %q: the reply is longer", len(p), off, v.obj.Key)
	}
	return nil
}

// bypassBuffers holds the memory of Views of what was read so.
var bypassBuffers = sync.Pool{New: func() any { return new([maxBypass]byte) }}
