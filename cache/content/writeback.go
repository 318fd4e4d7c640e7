package content

import (
	"runtime"
	"slices"
	"time"

	"github.com/s3share/s3share/cache/content/diskcache"
)

const (
	flushAfter = 2 * time.Second // how long an index may wait to be written
	lastWork   = 2 * time.Second // how long Close goes on writing blocks to the disk cache
)

// saveLocked has block b, which is full, written to the disk cache if it is
// still in memory when its turn comes.
func (c *Cache) saveLocked(b *block) {
	if b.gone || b.v.disk == nil || c.closed || len(c.saving) >= c.pool.slots {
		return
	}
	c.disk.Hold(b.v.disk)
	c.saving = append(c.saving, saving{b, b.v.disk})
	c.disk.Wake()
}

// saving is a block on its way to an entry, of which it is a user.
type saving struct {
	b *block
	e *diskcache.Entry
}

// runDiskWriter is the writer of the disk cache: it does all that changes the directory, until the
// Cache is closed.
func (c *Cache) runDiskWriter() {
	d := c.disk
	low := make(chan func())
	defer close(low)
	c.g.Go(func() {
		// Making files, copying and summing yields to whoever else wants the
		// processors: a cold read is not to be slower because it is cached. The thread
		// takes no lock, so nobody waits for it, and it ends with the goroutine.
		runtime.LockOSThread()
		diskcache.LowerPriority()
		for f := range low {
			f()
		}
	})
	lowly := func(f func()) {
		c.mu.Lock()
		whole := c.fetchingAll > 0
		c.mu.Unlock()
		if whole {
			f() // the fetch waits for it
			return
		}
		done := make(chan struct{})
		low <- func() { f(); close(done) }
		<-done
	}

	d.Scan()
	flush := time.NewTimer(flushAfter)
	defer flush.Stop()
	armed := true
	for c.ctx.Err() == nil {
		worked := c.keepOnce(lowly)
		if worked && !armed {
			flush.Reset(flushAfter)
			armed = true
		}
		kick := d.Kicked()
		if worked { // look at the timer, but do not wait
			again := make(chan struct{}, 1)
			again <- struct{}{}
			kick = again
		}
		select {
		case <-kick:
		case <-c.ctx.Done():
		case <-flush.C:
			armed = false
			d.Flush(lowly)
		}
	}

	for start := time.Now(); time.Since(start) < lastWork && c.keepOnce(lowly); {
	}
	d.Finish()
}

// keepOnce does a piece of work and reports whether there was any.
func (c *Cache) keepOnce(lowly func(func())) bool {
	d := c.disk
	jobs := d.RunJobs()
	batch := c.batch()
	if len(batch) > 0 {
		c.save(batch, lowly)
	}
	summed := len(batch) == 0 && d.SumSome(lowly)
	return jobs || len(batch) > 0 || summed
}

// batch takes the next blocks to write, all of one entry or all of small ones, and pinned.
func (c *Cache) batch() []saving {
	var batch, useless []saving
	c.mu.Lock()
	// At most half of the disk cache, so that a batch does not evict its own blocks.
	most := max(1, min(diskcache.MaxBatch, c.pool.slots/8, int(c.disk.Limit()/blockSize/2)))
	n := 0
	for _, s := range c.saving {
		if len(batch) == most || len(batch) > 0 && batch[0].e != s.e && !(batch[0].e.IsSmall() && s.e.IsSmall()) {
			break
		}
		n++
		if s.b.gone || s.e.Has(s.b.index) {
			useless = append(useless, s)
			continue
		}
		s.b.pins++
		batch = append(batch, s)
	}
	c.saving = slices.Delete(c.saving, 0, n)
	if c.saved != nil {
		close(c.saved)
		c.saved = nil
	}
	c.mu.Unlock()
	for _, s := range useless {
		c.disk.Release(s.e)
	}
	return batch
}

// save writes batch, which is pinned, and unpins it.
func (c *Cache) save(batch []saving, lowly func(func())) {
	blocks := make([]diskcache.Block, len(batch))
	for i, s := range batch {
		blocks[i] = diskcache.Block{Entry: s.e, Index: s.b.index, Bytes: c.pool.bytes(s.b.slot)[:s.b.v.length(s.b.index)]}
	}
	toDisk := c.disk.Write(blocks, lowly)
	c.mu.Lock()
	c.stats.ToDisk += toDisk
	for _, s := range batch {
		c.unpinLocked(s.b)
	}
	c.mu.Unlock()
	for _, s := range batch {
		c.disk.Release(s.e)
	}
}

// fillFromDisk fills the blocks of f from the disk cache, and reports whether it
// could. Where it could not, it is for the source to fill the rest.
func (c *Cache) fillFromDisk(f *fetch) bool {
	d, e := c.disk, f.disk
	d.Hold(e)
	defer d.Release(e)
	for n, b := range f.blocks {
		if f.ctx.Err() != nil {
			return false
		}
		if _, err := c.waitForSlot(f, b); err != nil {
			return false
		}
		p := c.pool.bytes(b.slot)[:f.v.length(b.index)]
		if err := d.Read(e, b.index, p); err != nil {
			if f.ctx.Err() != nil || !e.Has(b.index) {
				return false // cancelled, or evicted meanwhile
			}
			c.log.Warn("disk cache: block dropped", "key", f.v.obj.Key, "block", b.index, "err", err)
			c.mu.Lock()
			c.stats.Corrupt++
			c.mu.Unlock()
			for _, b := range f.blocks[n:] { // to be written again
				d.Drop(e, b.index)
			}
			return false
		}
		c.mu.Lock()
		f.filled++
		c.stats.FromDisk += int64(len(p))
		c.fullLocked(b)
		c.mu.Unlock()
	}
	return true
}
