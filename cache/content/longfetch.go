package content

import (
	"time"

	"github.com/s3share/s3share/cache/content/prefetch"
)

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
)

// endLongFetchesLocked ends the long fetches of q soon: many requests go on in their place.
func (c *Cache) endLongFetchesLocked(q *sequence) {
	for f := range q.fetches {
		if f.long {
			c.shortenLocked(f, f.blocks[0].index+int64(f.filled)+prefetch.MaxRequest/blockSize)
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
		f.owner.Shortened(f.blocks[n].index * blockSize)
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
	case i-f.blocks[f.filled].index <= prefetch.LongPassed/blockSize:
	case q != nil:
		c.shortenLocked(f, i)
	default:
		c.abandonLocked(b) // the long fetch goes on after it
	}
}
