package content

import (
	"io"
	"time"

	"github.com/s3share/s3share/cache/content/prefetch"
)

// maxWaitedAnswers is how much one read may add to what was waited, in answers: a read that
// stalled says nothing of the others. While the whole is fetched, that slows reads down, and is no
// reason to go on: a read adds one answer.
const maxWaitedAnswers = 16

// missedLocked counts a request for what a random read of v found missing.
func (c *Cache) missedLocked(v *version) {
	v.rent.requests++
	c.considerFetchAllLocked(v)
}

// waitedLocked counts the time that a random read of v has waited, whose request is over.
func (c *Cache) waitedLocked(v *version, took time.Duration) {
	most := v.rent.answer
	if !v.fetchingAll {
		most *= maxWaitedAnswers
	}
	v.rent.waited += min(took, most) / time.Duration(v.waiting)
	v.waiting--
	c.considerFetchAllLocked(v)
}

// considerFetchAllLocked starts fetching the whole of v once that pays and there is a place to
// keep it.
func (c *Cache) considerFetchAllLocked(v *version) {
	if v.fetchingAll ||
		v.private || !v.rent.beginsWhole(v.obj.Size-v.cachedLocked(), c.supply.wholeRate()) {
		return
	}
	room := int64(c.mem.pool.slots) * blockSize / 2
	if v.disk != nil {
		room = max(room, c.disk.Limit()/2)
	}
	if v.obj.Size > room {
		return
	}
	v.fetchingAll = true
	c.writer.awaited++
	c.g.Go(func() { c.fetchAll(v) })
}

// cachedLocked returns how many bytes of v a fetch of the whole leaves out, at most.
func (v *version) cachedLocked() int64 {
	n := int64(len(v.blocks)) * blockSize
	if v.disk != nil {
		n = max(n, v.disk.Bytes())
	}
	return min(n, v.obj.Size)
}

// fetchAll fetches what is missing of v, until nobody else has it open, or it turns out to cost
// more than the reads have. Then what it has brought stays.
func (c *Cache) fetchAll(v *version) {
	r := c.Open(v.obj)
	defer r.Close()
	r.missingOnly = true
	begun := time.Now()
	complete := r.v == v && c.fetchMissing(r, begun)
	c.mu.Lock()
	defer c.mu.Unlock()
	v.fetchingAll = false
	c.writer.awaited--
	if complete {
		v.rent = rent{answer: v.rent.answer}
	} else {
		v.rent.pause(time.Since(begun))
	}
}

// fetchMissing is fetchAll for r, and reports whether it came to the end.
func (c *Cache) fetchMissing(r *Reader, begun time.Time) bool {
	v := r.v
	p := make([]byte, prefetch.MinWindow)
	for next, got := int64(0), int64(0); ; {
		c.mu.Lock()
		took := time.Since(begun)
		v.rent.rate = int64(float64(got) / max(took, time.Microsecond).Seconds())
		from, end := v.missingLocked(next, prefetch.MinWindow/blockSize)
		goesOn := v.readers > 1 && v.rent.continuesWhole(took)
		c.mu.Unlock()
		if from == end || !goesOn || c.writer.awaitSaved(c.ctx) != nil {
			return from == end
		}
		n, err := r.ReadAt(c.ctx, p[:(end-from)*blockSize], from*blockSize)
		if err != nil && err != io.EOF {
			return false // who reads on hears of it
		}
		got += int64(n)
		next = end
	}
}

// missingLocked returns the next blocks of v from block i on, n at most, that are neither in memory
// nor on disk; none at the end of v. Those in flight count as missing, for they come in parallel
// because they are waited for, and so do those fetched ahead, whose reader has to come to them.
func (v *version) missingLocked(i, n int64) (from, end int64) {
	missing := func(i int64) bool {
		if b := v.blocks[i]; b != nil {
			return b.fetch != nil || b.ahead
		}
		return !v.onDisk(i)
	}
	for from = i; from < v.count() && !missing(from); from++ {
	}
	for end = from; end < min(v.count(), from+n) && missing(end); end++ {
	}
	return from, end
}
