package content

import (
	"slices"
	"time"

	"github.com/s3share/s3share/cache/content/diskcache"
	"github.com/s3share/s3share/cache/content/prefetch"
	"github.com/s3share/s3share/s3backend"
)

type versionID struct{ key, etag string }

// version is one object version of which there are Readers or blocks. All
// fields but obj are guarded by Cache.mu.
type version struct {
	obj     s3backend.Object
	blocks  map[int64]*block // by index: in flight or full
	readers int
	private bool             // known to its Readers only: without ETag, or forgotten
	disk    *diskcache.Entry // nil: not kept on disk
	// validated is Cache.now when the source was last asked, of the requests that it answered with
	// bytes; 0 for never.
	validated   int64
	fetchingAll bool // fetchAll is at work

	rent     rent    // of random reads, since the whole was fetched last
	waiting  int     // reads that wait for requests which bypass the blocks
	bypassed []int64 // the blocks of the latest reads that bypassed them
	repeats  repeats // of small reads of what is cached
}

// count is the number of the version's blocks.
func (v *version) count() int64 { return (v.obj.Size + blockSize - 1) / blockSize }

// length is the size of block i in bytes.
func (v *version) length(i int64) int64 { return min(blockSize, v.obj.Size-i*blockSize) }

// State implements prefetch.Blocks.
func (v *version) State(i int64) prefetch.State {
	switch {
	case v.blocks[i] != nil:
		return prefetch.Here
	case v.onDisk(i):
		return prefetch.OnDisk
	}
	return prefetch.Missing
}

// onDisk reports whether block i can be read from the disk cache.
func (v *version) onDisk(i int64) bool { return v.disk != nil && v.disk.Has(i) }

// block is an aligned range of a version. It is in version.blocks from the
// start of its fetch until it is evicted, or its fetch fails or is cancelled.
type block struct {
	v     *version
	index int64
	slot  slot
	fetch *fetch        // nil once full
	err   error         // why the fetch failed
	done  chan struct{} // closed when the block is full or failed; nil if nobody waits
	pins  int           // who waits for it or copies from its slot; it is not evicted meanwhile
	owner *sequence     // which it was fetched ahead of; nil for none
	ahead bool          // fetched ahead of a reader and not read yet: counted in pool.ahead
	gone  bool          // no longer in version.blocks
	time  int64         // Cache.now of the last use
}

// urgency says what may be evicted for a slot.
type urgency int

const (
	idle  urgency = iota // for a block fetched ahead: what nobody will miss soon
	soft                 // for the rest of a read: what has been read already
	first                // for what a read waits for: anything that is not in use
)

// staleAhead is how long a block fetched ahead is kept from being evicted for
// another that is fetched ahead: its reader has paused.
const staleAhead = int64(2 * time.Second)

// takeLocked returns a slot nobody uses, or false where only a more urgent
// block could have one.
func (c *Cache) takeLocked(u urgency) (slot, bool) {
	if u < first && slices.ContainsFunc(c.waitingForSlot, func(f *fetch) bool { return f.waiters > 0 }) {
		return noSlot, false
	}
	if u == idle && !c.roomAheadLocked(0, 1) {
		return noSlot, false
	}
	for {
		if s, ok := c.pool.take(); ok {
			return s, true
		}
		b := c.pool.victim(u)
		if b == nil {
			return noSlot, false
		}
		c.evictLocked(b)
	}
}

// roomAheadLocked reports whether n more blocks may be fetched ahead, and have
// slots as their bytes come, and m more that have theirs now. It makes room at the
// cost of readers that have paused.
func (c *Cache) roomAheadLocked(n, m int) bool {
	for !c.pool.roomAhead(n, m) {
		b := oldest(c.pool.unread)
		if b == nil || !c.staleLocked(b) {
			return false
		}
		c.evictLocked(b)
	}
	return true
}

// staleLocked reports whether no reader is on its way to b, which was fetched ahead: on a slow
// connection it may lie here for long before its reader comes to it.
func (c *Cache) staleLocked(b *block) bool {
	return c.now()-b.time >= staleAhead && (b.owner == nil || c.pausedLocked(b.owner))
}

// evictLocked removes the full block b from memory. Where it is in use, its
// slot is freed when it no longer is.
func (c *Cache) evictLocked(b *block) {
	if b.gone {
		return
	}
	b.gone = true
	c.noteReadLocked(b)
	c.pool.remove(b)
	delete(b.v.blocks, b.index)
	if b.pins == 0 {
		c.freeLocked(b)
	}
	c.retireLocked(b.v)
}

// freeLocked gives back the slot of b, which nobody uses.
func (c *Cache) freeLocked(b *block) {
	c.pool.give(b)
	c.wakeLocked()
}

// fullLocked makes b, which its fetch has filled, readable and evictable.
func (c *Cache) fullLocked(b *block) {
	b.fetch = nil
	b.time = c.now()
	if b.done != nil {
		close(b.done)
		b.done = nil
	}
	if b.gone {
		c.freeLocked(b)
		return
	}
	c.pool.add(b)
	if b.v.private && b.v.readers == 0 {
		c.evictLocked(b)
	}
	c.wakeLocked()
}

// noteReadLocked notes that b is read, and no longer only fetched ahead.
func (c *Cache) noteReadLocked(b *block) {
	if b.ahead {
		c.pool.noteRead(b)
		c.wakeLocked()
	}
}

// unpinLocked ends a use of b that began with b.pins++.
func (c *Cache) unpinLocked(b *block) {
	b.pins--
	switch {
	case b.pins > 0 || b.fetch != nil || b.slot == noSlot:
	case b.gone:
		c.freeLocked(b)
	default:
		c.wakeLocked()
	}
}

// touchLocked notes a use of the full block b by a reader.
func (c *Cache) touchLocked(b *block) {
	b.time = c.now()
	if b.ahead {
		c.noteReadLocked(b)
	} else {
		c.pool.touch(b)
	}
}

// wakeLocked lets a fetch that waits for a slot try again: one that is waited for,
// or else the one whose reader comes to it first. So the requests under way do not
// all stand still half done: the next one ends while the last ones begin.
func (c *Cache) wakeLocked() {
	if len(c.waitingForSlot) == 0 {
		return
	}
	best := -1
	for i, f := range c.waitingForSlot {
		if !c.mustWaitLocked(f) && (best < 0 || c.distanceLocked(f) < c.distanceLocked(c.waitingForSlot[best])) {
			best = i
		}
	}
	if best < 0 {
		return
	}
	c.waitingForSlot[best].retryLocked()
	c.waitingForSlot = slices.Delete(c.waitingForSlot, best, best+1)
}

// dropLocked evicts the full blocks of v.
func (c *Cache) dropLocked(v *version) {
	for _, b := range v.blocks {
		if b.fetch == nil {
			c.evictLocked(b)
		}
	}
}

// retireLocked forgets v when nothing is left of it in memory.
func (c *Cache) retireLocked(v *version) {
	id := versionID{v.obj.Key, v.obj.ETag}
	if v.readers == 0 && len(v.blocks) == 0 && c.versions[id] == v {
		delete(c.versions, id)
	}
}

const (
	sweepEvery = 15 * time.Second
	sweepAge   = int64(time.Minute) // blocks that nobody read for so long leave memory
)

// sweep returns memory that has not been used for a while to the system, so
// that an idle mount is small.
func (c *Cache) sweep() {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-tick.C:
		}
		for _, s := range c.idleSlots() {
			c.pool.release(s)
			c.mu.Lock()
			c.pool.giveCold(s)
			c.wakeLocked()
			c.mu.Unlock()
		}
	}
}

// idleSlots evicts what nobody has used for a while and takes the slots out of
// the warm ones that have lain there since the last call.
func (c *Cache) idleSlots() []slot {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range []*blockLRU{c.pool.used, c.pool.unread} {
		for b := oldest(l); b != nil && c.now()-b.time > sweepAge; b = oldest(l) {
			c.evictLocked(b)
		}
	}
	return c.pool.takeIdle()
}
