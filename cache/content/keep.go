package content

import (
	"hash/crc32"
	"os"
	"runtime"
	"slices"
	"time"
)

const (
	batchMax   = 64               // blocks written at a time; of what the disk cannot keep up with, so much stays together
	flushAfter = 2 * time.Second  // how long an index may wait to be written
	pauseAfter = 10 * time.Second // how long nothing is written after a failure
	lastWork   = 2 * time.Second  // how long Close goes on writing what the disk is owed
	tempExt    = ".temp"
)

// saveLocked has block b, which is full, written to the disk cache if it is
// still in memory when its turn comes.
func (c *Cache) saveLocked(b *block) {
	if b.gone || b.v.disk == nil || c.closed || len(c.saving) >= c.mem.slots {
		return
	}
	c.disk.hold(b.v.disk)
	c.saving = append(c.saving, saving{b, b.v.disk})
	c.disk.wake()
}

// saving is a block on its way to an entry, of which it is a user.
type saving struct {
	b *block
	e *entry
}

// keep does all that changes the disk cache's directory, until the Cache is closed.
func (c *Cache) keep() {
	d := c.disk
	low := make(chan func())
	defer close(low)
	c.g.Go(func() {
		// Making files, copying and summing yields to whoever else wants the
		// processors: a cold read is not to be slower because it is cached. The thread
		// takes no lock, so nobody waits for it, and it ends with the goroutine.
		runtime.LockOSThread()
		background()
		for f := range low {
			f()
		}
	})
	lowly := func(f func()) {
		c.mu.Lock()
		whole := c.wholes > 0
		c.mu.Unlock()
		if whole {
			f() // the fetch waits for it
			return
		}
		done := make(chan struct{})
		low <- func() { f(); close(done) }
		<-done
	}

	d.scan()
	d.fits(0) // the limits may be others than last time
	flush := time.NewTimer(flushAfter)
	defer flush.Stop()
	armed := true
	for c.ctx.Err() == nil {
		worked := c.keepOnce(lowly)
		if worked && !armed {
			flush.Reset(flushAfter)
			armed = true
		}
		kick := d.kick
		if worked { // look at the timer, but do not wait
			kick = make(chan struct{}, 1)
			kick <- struct{}{}
		}
		select {
		case <-kick:
		case <-c.ctx.Done():
		case <-flush.C:
			armed = false
			d.flush(lowly)
		}
	}

	for start := time.Now(); time.Since(start) < lastWork && c.keepOnce(lowly); {
	}
	d.mu.Lock()
	d.closing = true
	jobs := d.jobs
	d.jobs = nil
	d.mu.Unlock()
	for _, f := range jobs {
		f()
	}
	d.flush(func(f func()) { f() })
	d.closeFiles()
}

// keepOnce does a piece of work and reports whether there was any.
func (c *Cache) keepOnce(lowly func(func())) bool {
	d := c.disk
	d.mu.Lock()
	jobs := d.jobs
	d.jobs = nil
	d.mu.Unlock()
	for _, f := range jobs {
		f()
	}
	batch := c.batch()
	switch {
	case len(batch) == 0:
	case batch[0].e.isSmall():
		c.saveSmall(batch, lowly)
	default:
		c.save(batch, lowly)
	}
	summed := len(batch) == 0 && d.sumSome(lowly)
	return len(jobs) > 0 || len(batch) > 0 || summed
}

// batch takes the next blocks to write, all of one entry or all of small ones, and pinned.
func (c *Cache) batch() []saving {
	var batch, useless []saving
	c.mu.Lock()
	most := max(1, min(batchMax, c.mem.slots/8, int(c.disk.limit/blockSize/2))) // what is evicted for it is not of it
	n := 0
	for _, s := range c.saving {
		if len(batch) == most || len(batch) > 0 && batch[0].e != s.e && !(batch[0].e.isSmall() && s.e.isSmall()) {
			break
		}
		n++
		if s.b.gone || s.e.has(s.b.index) {
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
		c.disk.close(s.e)
	}
	return batch
}

// save writes batch and unpins it.
func (c *Cache) save(batch []saving, lowly func(func())) {
	d, e := c.disk, batch[0].e
	var f blockFile
	var err error
	written := 0
	crcs := make([]uint32, len(batch))
	if d.room(e, int64(len(batch))*blockSize) {
		f, err = d.dataToWrite(e, lowly)
	}
	if f != nil && err == nil {
		lowly(func() {
			for i, s := range batch {
				p := c.mem.bytes(s.b.slot)[:s.b.v.length(s.b.index)]
				crcs[i] = crc32.Checksum(p, castagnoli)
				if _, err = f.WriteAt(p, s.b.index*blockSize); err != nil {
					return
				}
				written++
			}
		})
	}
	d.wrote(e, batch[:written], crcs)
	if err != nil {
		d.failed(err)
	}
	c.mu.Lock()
	for i, s := range batch {
		if i < written {
			c.stats.ToDisk += s.b.v.length(s.b.index)
		}
		c.unpinLocked(s.b)
	}
	c.mu.Unlock()
	for range batch {
		d.close(e)
	}
}

// dataToWrite returns the data file of e, which it makes if it is not e's yet.
func (d *disk) dataToWrite(e *entry, lowly func(func())) (f blockFile, err error) {
	d.mu.Lock()
	f = e.file
	made := e.made
	d.mu.Unlock()
	if made && f != nil {
		return f, nil
	}
	flag := os.O_CREATE | os.O_TRUNC
	if made {
		flag = os.O_CREATE // it may have been removed: the sums will tell
	}
	lowly(func() { f, err = d.create(d.path(e, dataExt), os.O_RDWR|flag) })
	if err != nil {
		return nil, err
	}
	f = d.usesFile(e, f)
	if !made {
		d.mu.Lock()
		e.made = true
		d.resizeLocked(e, 0)
		d.mu.Unlock()
	}
	return f, nil
}

// wrote notes the blocks of batch as present.
func (d *disk) wrote(e *entry, batch []saving, crcs []uint32) {
	if len(batch) == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, s := range batch {
		e.sums.set(s.b.index, crcs[i])
		d.resizeLocked(e, e.bytes+blockSize)
	}
	d.dirtyLocked(e)
}
