package content

import (
	"io"
	"time"

	"github.com/s3share/s3share/cache/content/prefetch"
)

const (
	fetchAllAfter = 16 // the fewest random reads that waited for which the whole object is fetched
	// fetchAllRate is what a good connection gives a second, in bytes. When random reads have
	// waited about as long as the whole object would take, the whole is fetched, so that no more
	// than twice the time of the better choice is spent: 1 GiB after 1.3 s of waiting, which are
	// 64 reads at 20 ms and some 5,000 where a read takes a quarter of a millisecond.
	fetchAllRate = 800 << 20
	// maxWaitedAnswers is how much one read may add to what was waited, in answers: a read that
	// stalled says nothing of the others.
	maxWaitedAnswers = 16
	// maxFetchAll is how long that may take, as seen after fetchAllTrial. On a slower connection it
	// is given up for good: it would take from those who read.
	maxFetchAll   = 30 * time.Second
	fetchAllTrial = time.Second
)

// missedLocked counts a request for what a random read of v found missing.
func (c *Cache) missedLocked(v *version) {
	v.missed++
	c.considerFetchAllLocked(v)
}

// waitedLocked counts the time that a random read of v has waited, whose request is over.
func (c *Cache) waitedLocked(v *version, took time.Duration) {
	v.waited += min(took, maxWaitedAnswers*v.answer) / time.Duration(v.waiting)
	v.waiting--
	c.considerFetchAllLocked(v)
}

// considerFetchAllLocked starts fetching the whole of v once that is the better bargain and there
// is a place to keep it.
func (c *Cache) considerFetchAllLocked(v *version) {
	// Requests at the same time share a processor, but not the way to the source and back.
	waited := max(time.Duration(v.missed)*v.answer, v.waited)
	if v.missed < fetchAllAfter || waited.Seconds()*fetchAllRate < float64(v.obj.Size) || v.fetchingAll || v.private {
		return
	}
	room := int64(c.pool.slots) * blockSize / 2
	if v.disk != nil {
		room = max(room, c.disk.Limit()/2)
	}
	if v.obj.Size > room {
		return
	}
	v.fetchingAll = true
	c.fetchingAll++
	c.g.Go(func() { c.fetchAll(v) })
}

// awaitSaved waits until the disk cache has most of what it is to keep: what left memory
// before would have been fetched for nothing.
func (c *Cache) awaitSaved() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.saving) > c.pool.slots/4 {
		if c.saved == nil {
			c.saved = make(chan struct{})
		}
		saved := c.saved
		c.mu.Unlock()
		select {
		case <-saved:
		case <-c.ctx.Done():
		}
		c.mu.Lock()
		if err := c.ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// fetchAll reads v from its beginning to its end, what is on the disk already left
// out, until nobody else has it open or it turns out to take too long.
func (c *Cache) fetchAll(v *version) {
	r := c.Open(v.obj)
	defer r.Close()
	p := make([]byte, prefetch.MinWindow)
	begun, got, slow := time.Now(), int64(0), false
	for off := int64(0); off < v.obj.Size && !slow; {
		c.mu.Lock()
		if r.v != v || v.readers < 2 {
			off = v.obj.Size
		}
		for off < v.obj.Size && v.blocks[off/blockSize] == nil && v.onDisk(off/blockSize) {
			// Blocks in flight are read too: they come in parallel because they are waited for.
			off += blockSize
		}
		c.mu.Unlock()
		if off >= v.obj.Size || c.awaitSaved() != nil {
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
		got += int64(n)
		took := time.Since(begun)
		slow = took >= fetchAllTrial && took.Seconds()/float64(got)*float64(v.obj.Size-off) > maxFetchAll.Seconds()
	}
	c.mu.Lock()
	v.fetchingAll = slow
	c.fetchingAll--
	v.missed, v.waited = 0, 0
	c.mu.Unlock()
}
