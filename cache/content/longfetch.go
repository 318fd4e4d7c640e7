package content

import "time"

// Where one connection brings about as much as a mount can pass on, a sequential reader
// has one request at a time, a long fetch: requests have their price, and many at once
// would only take turns. A long fetch is held back by not reading on, so that it is ahead of
// its reader by no more than its share of the memory. It ends early where
// its reader ends, pauses or jumps, or where the connection turns out to be slow.
const (
	// longFetchRate is what connections must bring together, one for each reader, in bytes
	// a second, for one each to be enough; a fourth of it once they are, since what
	// slows them then may be this machine.
	longFetchRate = 300 << 20
	// nearby is how long a server may take to answer: readers of one that is farther
	// away do not keep each other's connections from being faster.
	nearby = 5 * time.Millisecond
	// A long fetch is longFetchGrowth times as long as what its reader has read before, from
	// maxFetch to maxLongFetch: who reads on does so with few requests, and who does not
	// leaves few connections half used.
	longFetchGrowth = 32
	maxLongFetch    = 1 << 30
	// secondFetch is what a sequence asks for behind its first request, when it is not
	// known yet how fast a connection is.
	secondFetch = 3 << 20
	// longFetchLead is how far before the end of a long fetch the next one begins, at most.
	longFetchLead = 16 << 20
	// longFetchPassed is how far behind the place to which a long fetch has come another read
	// may be, to wait for it there.
	longFetchPassed = maxFetchNear
)

// singleLocked reports whether one connection is enough for each reader.
func (c *Cache) singleLocked() bool {
	s := &c.speed
	if !s.transfer.Known() {
		return false
	}
	rate := s.transfer.Rate()
	if s.latency.Mean() <= nearby {
		rate *= int64(c.activeLocked())
	}
	if s.single {
		rate *= 4
	}
	s.single = rate >= longFetchRate
	return s.single
}

// longFetchLocked begins the next long fetch ahead of q when its reader is about to come to
// the end of the last, and returns false where no long fetch is to go on.
func (c *Cache) longFetchLocked(q *sequence) bool {
	if !c.singleLocked() {
		c.endLongFetchesLocked(q)
		return false
	}
	v := q.r.v
	share, _ := c.sharesLocked(q)
	q.ahead = max(q.ahead, q.next&^(blockSize-1))
	for q.ahead < v.obj.Size && q.ahead-q.next <= min(share/2, longFetchLead) {
		from := q.ahead / blockSize
		switch {
		case v.blocks[from] != nil:
			q.ahead += blockSize
			continue
		case v.onDisk(from):
			return false
		case !c.spareLocked() || !c.roomAheadLocked(int(share/blockSize)/4, 0):
			return true
		}
		f := c.startLocked(v, q, from, from, min(v.count(), from+q.longFetchSize()/blockSize))
		q.ahead += int64(len(f.blocks)) * blockSize
	}
	return true
}

// longFetchSize returns how long the next long fetch of q is to be, in bytes.
func (q *sequence) longFetchSize() int64 {
	return min(max(longFetchGrowth*(q.next-q.begin), maxFetch), maxLongFetch) &^ (blockSize - 1)
}

// endLongFetchesLocked ends the long fetches of q soon: many requests go on in their place.
func (c *Cache) endLongFetchesLocked(q *sequence) {
	for f := range q.fetches {
		if f.long {
			c.shortenLocked(f, f.blocks[0].index+int64(f.filled)+maxFetch/blockSize)
		}
	}
}

// shortenLocked removes from f the blocks from i on that it has not reached, unless somebody
// waits for them.
func (c *Cache) shortenLocked(f *fetch, i int64) {
	n := max(int(i-f.blocks[0].index), f.filled+1)
	if n >= len(f.blocks) {
		return
	}
	for _, b := range f.blocks[n:] {
		if b.done != nil {
			return
		}
	}
	for _, b := range f.blocks[n:] {
		c.abandonLocked(b)
	}
	if f.owner != nil {
		f.owner.ahead = min(f.owner.ahead, f.blocks[n].index*blockSize)
	}
	f.blocks = f.blocks[:n]
}

// skipLongFetchLocked makes block i of v missing for a read that belongs to q, or to none, if it
// would come by a long fetch that is not there for long yet.
func (c *Cache) skipLongFetchLocked(v *version, q *sequence, i int64) {
	b := v.blocks[i]
	if b == nil || b.fetch == nil || !b.fetch.long || b.done != nil {
		return
	}
	f := b.fetch
	switch {
	case i-f.blocks[f.filled].index <= longFetchPassed/blockSize:
	case q != nil:
		c.shortenLocked(f, i)
	default:
		c.abandonLocked(b) // the long fetch goes on after it
	}
}

// mustWaitLocked reports whether f, a long fetch, is so far ahead of its reader that it has to wait;
// once it waits, until a fourth of its share is free again.
func (c *Cache) mustWaitLocked(f *fetch) bool {
	if !f.long || f.owner == nil || f.waiters > 0 || f.filled == len(f.blocks) {
		return false
	}
	share, _ := c.sharesLocked(f.owner)
	if f.retry != nil {
		share -= share / 4
	}
	return f.blocks[f.filled].index*blockSize-f.owner.next >= share
}
