package content

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/s3share/s3share/cache/content/diskcache"
	"github.com/s3share/s3share/cache/content/prefetch"
)

// fetch fills a run of consecutive blocks, one after the other. Its
// fields are guarded by Cache.mu, but for those that never change.
type fetch struct {
	v      *version
	blocks []*block         // may become shorter: see shortenLocked
	long   bool             // it is a long fetch; never changes
	disk   *diskcache.Entry // never changes; where to read, or nil: ask the source
	ctx    context.Context
	cancel context.CancelFunc

	// answered is closed when the source has answered, or the fetch has ended; nil if nobody waits.
	answered chan struct{}
	err      error     // why it ended before it was full
	filled   int       // blocks that are full: the first of them
	waiters  int       // reads that wait for a block
	owner    *sequence // which it is ahead of, until that ends; nil for a random read
	// retry is closed to have the fetch try again for a slot; nil while it does not wait for one.
	retry     chan struct{}
	since     int64   // Cache.now when it began to wait for the slot it waits for
	reader    *Reader // closed when the fetch ends; nil for none
	cancelled bool
}

// end is where its blocks end, in bytes.
func (f *fetch) end() int64 { return (f.blocks[0].index + int64(len(f.blocks))) * blockSize }

// startLocked begins a fetch of the missing blocks of v from index from on, to
// before end at most, and returns it; from is missing. The blocks before soon are
// going to be read at once.
func (c *Cache) startLocked(v *version, owner *sequence, from, soon, end int64) *fetch {
	f := &fetch{v: v, owner: owner, long: end-from > prefetch.MaxRequestNear/blockSize}
	if v.onDisk(from) {
		f.disk, f.long = v.disk, false
	}
	for i := from; i < end; i++ {
		if v.blocks[i] != nil || i > from && v.onDisk(i) != (f.disk != nil) {
			break
		}
		b := &block{v: v, index: i, slot: noSlot, fetch: f, ahead: i >= soon}
		if b.ahead {
			b.owner = owner
			c.mem.pool.countAhead(b, 1)
		}
		v.blocks[i] = b
		f.blocks = append(f.blocks, b)
	}
	f.ctx, f.cancel = context.WithCancel(c.ctx)
	if owner != nil {
		owner.fetches[f] = struct{}{}
	}
	switch {
	case f.disk != nil:
		c.g.Go(func() { c.run(f) })
	case c.streams.take():
		c.g.Go(func() { c.run(f) })
	default:
		c.streams.pending = append(c.streams.pending, f)
		for _, p := range c.mem.waiting {
			p.retryLocked() // to leave their streams to those that are waited for
		}
	}
	return f
}

// run fills f and passes its stream on.
func (c *Cache) run(f *fetch) {
	var err error
	// Where the disk cache is damaged, this is one request more than Streams allows.
	if f.disk == nil || !c.fillFromDisk(f) {
		err = c.fill(f)
	}
	f.cancel()

	c.mu.Lock()
	c.finishLocked(f, err)
	if f.disk == nil {
		c.startPendingLocked()
	}
	r := f.reader
	c.mu.Unlock()
	if r != nil {
		r.Close()
	}
}

// startPendingLocked starts the next pending request in place of one that has ended.
func (c *Cache) startPendingLocked() {
	if next := c.streams.end(); next != nil {
		c.g.Go(func() { c.run(next) })
	}
}

// fill asks the source for the blocks of f that are not full, in one request.
func (c *Cache) fill(f *fetch) error {
	if err := f.ctx.Err(); err != nil {
		return err
	}
	c.mu.Lock()
	rest := f.blocks[f.filled:]
	c.stats.Gets++
	c.mu.Unlock()
	off := rest[0].index * blockSize
	last := rest[len(rest)-1].index
	n := last*blockSize + f.v.length(last) - off

	start := time.Now()
	body, err := c.src.Get(f.ctx, f.v.obj, off, n)
	if err != nil {
		return err
	}
	defer body.Close()
	asked := time.Since(start)
	c.mu.Lock()
	f.v.answeredLocked(c, start)
	f.answerLocked()
	c.mu.Unlock()

	pace := pace{asked: asked, since: time.Now()}
	for {
		b := c.nextBlock(f)
		if b == nil {
			return nil
		}
		if parked, err := c.waitForSlot(f, b); err != nil {
			return err
		} else if parked {
			pace.since, pace.bytes, pace.broken = time.Now(), 0, true
		}
		p := c.mem.pool.bytes(b.slot)[:f.v.length(b.index)]
		if _, err := io.ReadFull(body, p); err != nil {
			return fmt.Errorf("read %d bytes at %d of %q: %w", n, off, f.v.obj.Key, noEOF(err))
		}
		if b.index == last && !ended(body) {
			return fmt.Errorf("read %d bytes at %d of %q: the reply is longer", n, off, f.v.obj.Key)
		}
		c.mu.Lock()
		f.filled++
		c.receivedLocked(int64(len(p)))
		c.mem.full(b)
		if !c.closed {
			c.writer.addLocked(b)
		}
		pace.bytes += int64(len(p))
		c.supply.speed.take(&pace, b.index == last)
		c.mu.Unlock()
	}
}

// receivedLocked counts bytes that came from the source.
func (c *Cache) receivedLocked(n int64) {
	c.stats.Fetched += n
	c.supply.bandwidth.Add(time.Now(), n)
}

// nextBlock is the one that f fills next, nil for none.
func (c *Cache) nextBlock(f *fetch) *block {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.filled == len(f.blocks) {
		return nil
	}
	return f.blocks[f.filled]
}

// noEOF is err, an end of the bytes that came too early named as that.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// ended reports whether r has nothing more to give.
func ended(r io.Reader) bool {
	var b [1]byte
	n, err := io.ReadFull(r, b[:])
	return n == 0 && errors.Is(err, io.EOF)
}

// finishLocked returns err to those who wait for a block of f that is not full, and
// forgets these blocks, so that the next read tries again.
func (c *Cache) finishLocked(f *fetch, err error) {
	if f.owner != nil {
		delete(f.owner.fetches, f)
	}
	if err != nil && c.closed {
		err = ErrClosed
	}
	f.v.failedLocked(err)
	f.err = err
	f.answerLocked()
	for _, b := range f.blocks[f.filled:] {
		c.abandonLocked(b)
		b.err = err
		b.fetch = nil
		if b.done != nil {
			close(b.done)
			b.done = nil
		}
		if b.slot != noSlot {
			c.mem.free(b)
		}
	}
	if f.owner != nil && f.filled < len(f.blocks) {
		f.owner.Failed(f.blocks[f.filled].index * blockSize)
	}
	c.versions.retire(f.v)
}

// abandonLocked takes b, which is not full, out of its version: who wants it
// has to fetch it anew.
func (c *Cache) abandonLocked(b *block) {
	if b.gone {
		return
	}
	b.gone = true
	delete(b.v.blocks, b.index)
	if b.ahead {
		c.mem.pool.countAhead(b, -1)
		b.ahead = false
	}
}

// cancelLocked ends f if nobody waits for it and it is ahead of no sequence.
func (c *Cache) cancelLocked(f *fetch) {
	if f.waiters > 0 || f.owner != nil || f.cancelled || f.filled == len(f.blocks) {
		return
	}
	f.cancelled = true
	f.cancel()
	for _, b := range f.blocks[f.filled:] {
		c.abandonLocked(b)
	}
	if c.streams.withdraw(f) {
		c.finishLocked(f, context.Canceled)
	}
}

// awaitLocked waits until b is full, pinned, or has failed, and returns its
// error, or ctx's as soon as that ends; with an error it is not pinned. It gives
// up Cache.mu meanwhile.
func (c *Cache) awaitLocked(ctx context.Context, b *block) error {
	f := b.fetch
	b.pins++
	if f == nil {
		return nil
	}
	if b.done == nil {
		b.done = make(chan struct{})
	}
	done := b.done
	f.waiters++
	f.retryLocked()
	c.mu.Unlock()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	c.mu.Lock()
	f.waiters--
	if err == nil {
		err = b.err
	}
	if err != nil {
		c.mem.unpin(b)
		c.cancelLocked(f)
	}
	return err
}
