package content

import "time"

// Where one connection brings about as much as a mount can pass on, a sequential reader
// has one request at a time, a stream, which is long: requests have their price, and
// many at once would only take turns. A stream is held back by not reading on, so that
// it is ahead of its reader by no more than its share of the memory. It ends early where
// its reader ends, pauses or jumps, or where the connection turns out to be slow.
const (
	// streamRate is what connections must bring together, one for each reader, in bytes
	// a second, for one each to be enough; a fourth of it once they are, since what
	// slows them then may be this machine.
	streamRate = 300 << 20
	// nearby is how long a server may take to answer: readers of one that is farther
	// away do not keep each other's connections from being faster.
	nearby = 5 * time.Millisecond
	// A stream is streamGrowth times as long as what its reader has read before, from
	// maxFetch to maxStream: who reads on does so with few requests, and who does not
	// leaves few connections half used.
	streamGrowth = 32
	maxStream    = 1 << 30
	// secondFetch is what a sequence asks for behind its first request, when it is not
	// known yet how fast a connection is.
	secondFetch = 3 << 20
	// streamLead is how far before the end of a stream the next one begins, at most.
	streamLead = 16 << 20
	// streamPassed is how far behind the place to which a stream has come another read
	// may be, to wait for it there.
	streamPassed = maxFetchNear
)

// singleLocked tells that one connection is enough for each reader.
func (c *Cache) singleLocked() bool {
	s := &c.speed
	if s.perMiB == 0 {
		return false
	}
	rate := int64(time.Second/s.perMiB) << 20
	if s.latency <= nearby {
		rate *= int64(c.activeLocked())
	}
	if s.single {
		rate *= 4
	}
	s.single = rate >= streamRate
	return s.single
}

// streamLocked begins the next stream ahead of q when its reader is about to come to
// the end of the last, and returns false where it is not for a stream to go on.
func (c *Cache) streamLocked(q *sequence) bool {
	if !c.singleLocked() {
		c.shortenLocked(q)
		return false
	}
	v := q.r.v
	share, _ := c.sharesLocked(q)
	q.ahead = max(q.ahead, q.next&^(blockSize-1))
	for q.ahead < v.obj.Size && q.ahead-q.next <= min(share/2, streamLead) {
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
		f := c.startLocked(v, q, from, from, min(v.count(), from+q.stream()/blockSize))
		q.ahead += int64(len(f.blocks)) * blockSize
	}
	return true
}

// stream is how long the next stream of q is to be, in bytes.
func (q *sequence) stream() int64 {
	return min(max(streamGrowth*(q.next-q.begin), maxFetch), maxStream) &^ (blockSize - 1)
}

// shortenLocked ends the streams of q soon: many requests go on in their place.
func (c *Cache) shortenLocked(q *sequence) {
	for f := range q.fetches {
		if f.stream {
			c.cutLocked(f, f.blocks[0].index+int64(f.filled)+maxFetch/blockSize)
		}
	}
}

// cutLocked takes from f what it has not come to from block i on, unless somebody
// waits for it.
func (c *Cache) cutLocked(f *fetch, i int64) {
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

// passLocked makes block i of v missing for a read that belongs to q, or to none, if it
// would come by a stream that is not there for long yet.
func (c *Cache) passLocked(v *version, q *sequence, i int64) {
	b := v.blocks[i]
	if b == nil || b.fetch == nil || !b.fetch.stream || b.done != nil {
		return
	}
	f := b.fetch
	switch {
	case i-f.blocks[f.filled].index <= streamPassed/blockSize:
	case q != nil:
		c.cutLocked(f, i)
	default:
		c.abandonLocked(b) // the stream goes on behind it
	}
}

// heldLocked tells that f, a stream, is so far ahead of its reader that it has to wait;
// once it waits, until a fourth of its share is free again.
func (c *Cache) heldLocked(f *fetch) bool {
	if !f.stream || f.owner == nil || f.waiters > 0 || f.filled == len(f.blocks) {
		return false
	}
	share, _ := c.sharesLocked(f.owner)
	if f.parked != nil {
		share -= share / 4
	}
	return f.blocks[f.filled].index*blockSize-f.owner.next >= share
}
