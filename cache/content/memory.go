package content

import (
	"slices"
	"time"
)

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

// memory decides what has the slots of the pool: what is evicted for a block, and which fetch gets
// the next slot. Like the pool's, its lock is Cache.mu.
type memory struct {
	clock    clock
	pool     *pool
	versions versions // whose blocks these are
	supply   *supply
	waiting  []*fetch // those that wait for a slot, first come first
}

// take returns a slot nobody uses, or false where only a more urgent
// block could have one.
func (m *memory) take(u urgency) (slot, bool) {
	if u < first && slices.ContainsFunc(m.waiting, func(f *fetch) bool { return f.waiters > 0 }) {
		return noSlot, false
	}
	if u == idle && !m.roomAhead(0, 1) {
		return noSlot, false
	}
	for {
		if s, ok := m.pool.take(); ok {
			return s, true
		}
		b := m.pool.victim(u)
		if b == nil {
			return noSlot, false
		}
		m.evict(b)
	}
}

// roomAhead reports whether n more blocks may be fetched ahead, and have
// slots as their bytes come, and k more that have theirs now. It makes room at the
// cost of readers that have paused.
func (m *memory) roomAhead(n, k int) bool {
	for !m.pool.roomAhead(n, k) {
		b := oldest(m.pool.unread)
		if b == nil || !m.stale(b) {
			return false
		}
		m.evict(b)
	}
	return true
}

// stale reports whether no reader is on its way to b, which was fetched ahead: on a slow
// connection it may lie here for long before its reader comes to it.
func (m *memory) stale(b *block) bool {
	return m.clock.now()-b.time >= staleAhead && (b.owner == nil || b.owner.paused(m.clock.now()))
}

// evict removes the full block b from memory. Where it is in use, its
// slot is freed when it no longer is.
func (m *memory) evict(b *block) {
	if b.gone {
		return
	}
	b.gone = true
	m.noteRead(b)
	m.pool.remove(b)
	delete(b.v.blocks, b.index)
	if b.pins == 0 {
		m.free(b)
	}
	m.versions.retire(b.v)
}

// free gives back the slot of b, which nobody uses.
func (m *memory) free(b *block) {
	m.pool.give(b)
	m.wake()
}

// full makes b, which its fetch has filled, readable and evictable.
func (m *memory) full(b *block) {
	b.fetch = nil
	b.time = m.clock.now()
	if b.done != nil {
		close(b.done)
		b.done = nil
	}
	if b.gone {
		m.free(b)
		return
	}
	m.pool.add(b)
	if b.v.private && b.v.readers == 0 {
		m.evict(b)
	}
	m.wake()
}

// noteRead notes that b is read, and no longer only fetched ahead.
func (m *memory) noteRead(b *block) {
	if b.ahead {
		m.pool.noteRead(b)
		m.wake()
	}
}

// unpin ends a use of b that began with b.pins++.
func (m *memory) unpin(b *block) {
	b.pins--
	switch {
	case b.pins > 0 || b.fetch != nil || b.slot == noSlot:
	case b.gone:
		m.free(b)
	default:
		m.wake()
	}
}

// touch notes a use of the full block b by a reader.
func (m *memory) touch(b *block) {
	b.time = m.clock.now()
	if b.ahead {
		m.noteRead(b)
	} else {
		m.pool.touch(b)
	}
}

// wake lets a fetch that waits for a slot try again: one that is waited for,
// or else the one whose reader comes to it first. So the requests under way do not
// all stand still half done: the next one ends while the last ones begin.
func (m *memory) wake() {
	if len(m.waiting) == 0 {
		return
	}
	best := -1
	for i, f := range m.waiting {
		if !m.mustWait(f) && (best < 0 || m.distance(f) < m.distance(m.waiting[best])) {
			best = i
		}
	}
	if best < 0 {
		return
	}
	m.waiting[best].retryLocked()
	m.waiting = slices.Delete(m.waiting, best, best+1)
}

// drop evicts the full blocks of v.
func (m *memory) drop(v *version) {
	for _, b := range v.blocks {
		if b.fetch == nil {
			m.evict(b)
		}
	}
}

// distance is how many bytes a reader has to read before it comes to what f
// fills next; less than none where it waits there, or f has waited for long.
func (m *memory) distance(f *fetch) int64 {
	switch {
	case f.waiters > 0:
		return -2
	case m.clock.now()-f.since > longSlotWait:
		return -1
	case f.owner == nil:
		return 0
	}
	return max(0, f.blocks[f.filled].index*blockSize-f.owner.Next())
}

// slotFor returns a slot for b, the next block of f, or false where it has to wait.
func (m *memory) slotFor(f *fetch, b *block) (slot, bool) {
	if m.mustWait(f) {
		return noSlot, false
	}
	return m.take(f.urgencyLocked(b))
}

// mustWait reports whether f, a long fetch, is so far ahead of its reader that it has to
// wait; once it waits, until a fourth of its share is free again.
func (m *memory) mustWait(f *fetch) bool {
	if !f.long || f.owner == nil || f.waiters > 0 || f.filled == len(f.blocks) {
		return false
	}
	share := f.owner.Share(m.supply.snapshot()).Window
	if f.retry != nil {
		share -= share / 4
	}
	return f.blocks[f.filled].index*blockSize-f.owner.Next() >= share
}
