package content

import "github.com/hashicorp/golang-lru/v2/simplelru"

// pool is the memory of all blocks: which slots are free, and which full blocks may be evicted
// for another, the least recently used first.
//
// It has no lock but Cache.mu: a read finds a block in its version and pins it in one step,
// and so is a block evicted and taken out of its version.
type pool struct {
	*arena
	warm    []slot // free slots that hold memory, last freed last
	cold    []slot // free slots that do not
	warmLow int    // the fewest warm slots since the last sweep

	used     *blockLRU
	unread   *blockLRU // fetched ahead of a reader and not read yet
	ahead    int       // slots of blocks fetched ahead and not read yet, those in flight included
	promised int       // blocks in flight ahead that have no slot yet
	aheadMax int
	viewed   int // blocks that Views have pinned
}

type blockLRU = simplelru.LRU[*block, struct{}]

// newPool returns a pool of n slots, all of them free.
func newPool(n int) (*pool, error) {
	mem, err := newArena(n)
	if err != nil {
		return nil, err
	}
	p := &pool{arena: mem, aheadMax: max(1, n*5/6)}
	p.used, _ = simplelru.NewLRU[*block, struct{}](n, nil)
	p.unread, _ = simplelru.NewLRU[*block, struct{}](n, nil)
	for s := n - 1; s >= 0; s-- {
		p.cold = append(p.cold, slot(s))
	}
	return p, nil
}

// free is the number of slots that nobody uses.
func (p *pool) free() int { return len(p.warm) + len(p.cold) }

// take returns a slot that nobody uses, or false if there is none.
func (p *pool) take() (slot, bool) {
	if n := len(p.warm); n > 0 {
		s := p.warm[n-1]
		p.warm = p.warm[:n-1]
		p.warmLow = min(p.warmLow, n-1)
		return s, true
	}
	if n := len(p.cold); n > 0 {
		s := p.cold[n-1]
		p.cold = p.cold[:n-1]
		return s, true
	}
	return noSlot, false
}

// give takes the slot of b, which nobody uses, back.
func (p *pool) give(b *block) {
	p.warm = append(p.warm, b.slot)
	b.slot = noSlot
}

// takeIdle returns the warm slots that have lain there since the last call. They are the
// caller's, who gives their memory back and then calls giveCold.
func (p *pool) takeIdle() []slot {
	n := p.warmLow
	slots := append([]slot(nil), p.warm[:n]...)
	p.warm = append(p.warm[:0], p.warm[n:]...)
	p.warmLow = len(p.warm)
	return slots
}

// giveCold takes a slot that holds no memory back.
func (p *pool) giveCold(s slot) { p.cold = append(p.cold, s) }

// victim returns the block to evict for one of this urgency, or nil.
func (p *pool) victim(u urgency) *block {
	b := oldest(p.used)
	if b == nil && u == first {
		b = oldest(p.unread)
	}
	return b
}

// oldest returns the least recently used block of l that nobody uses, or nil.
func oldest(l *blockLRU) *block {
	for range l.Len() {
		b, _, _ := l.GetOldest()
		if b.pins == 0 {
			return b
		}
		l.Get(b) // in use: it is not the oldest
	}
	return nil
}

// add takes in the block b, which is full.
func (p *pool) add(b *block) {
	if b.ahead {
		p.unread.Add(b, struct{}{})
	} else {
		p.used.Add(b, struct{}{})
	}
}

// remove takes out the block b, which is full and has been read, or is taken for that.
func (p *pool) remove(b *block) { p.used.Remove(b) }

// touch records that b, which is full and has been read, is read again.
func (p *pool) touch(b *block) { p.used.Get(b) }

// noteRead records that b, which was fetched ahead, is read.
func (p *pool) noteRead(b *block) {
	p.countAhead(b, -1)
	b.ahead = false
	if p.unread.Remove(b) {
		p.used.Add(b, struct{}{})
	}
}

// countAhead counts b, which is fetched ahead, with n of 1, or no more with -1.
func (p *pool) countAhead(b *block, n int) {
	switch {
	case b.slot != noSlot:
		p.ahead += n
	case !b.fetch.long: // which takes what there is
		p.promised += n
	}
}

// setSlot gives the block b, which has none, the slot s.
func (p *pool) setSlot(b *block, s slot) {
	if b.ahead {
		p.countAhead(b, -1)
	}
	b.slot = s
	if b.ahead {
		p.countAhead(b, 1)
	}
}

// roomAhead reports whether n more blocks may be fetched ahead, and have slots as their bytes
// come, and m more that have theirs now.
func (p *pool) roomAhead(n, m int) bool {
	// Of the blocks in flight that have no slot yet, the last get theirs when the
	// first have been read: half of the slots will do.
	return p.ahead+m <= p.aheadMax && (n == 0 || p.ahead+m+(p.promised+n)/2 <= p.aheadMax)
}
