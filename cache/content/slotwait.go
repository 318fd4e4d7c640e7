package content

import (
	"errors"
	"slices"
	"time"
)

// A fetch takes the slot of each block when the block's bytes are next to come:
// requests far ahead of a reader then hold memory for what they have brought, not
// for what they will bring, and twice as many fit into it.

// maxSlotWait is how long a fetch that nobody waits for waits for a slot before it is
// given up: its reader has paused, and servers close connections that do not move.
const maxSlotWait = 5 * time.Second

var errNoSlot = errors.New("content: no room for what nobody waits for")

// urgencyLocked returns what may be evicted for b, which is next in f.
func (f *fetch) urgencyLocked(b *block) urgency {
	switch {
	case f.waiters > 0:
		return first
	case b.ahead:
		return idle
	}
	return soft
}

// longSlotWait is how long a fetch waits for room until its turn comes before nearer ones.
const longSlotWait = int64(2 * time.Second)

// distanceLocked is how many bytes a reader has to read before it comes to what f
// fills next; less than none where it waits there, or f has waited for long.
func (c *Cache) distanceLocked(f *fetch) int64 {
	switch {
	case f.waiters > 0:
		return -2
	case c.now()-f.since > longSlotWait:
		return -1
	case f.owner == nil:
		return 0
	}
	return max(0, f.blocks[f.filled].index*blockSize-f.owner.Next())
}

// waitForSlot gives b, the next block of f, a slot. parked reports whether it had to wait.
func (c *Cache) waitForSlot(f *fetch, b *block) (parked bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var patience *time.Timer
	late := false
	for b.slot == noSlot {
		if s, ok := c.slotLocked(f, b); ok {
			c.pool.setSlot(b, s)
			return parked, nil
		}
		if len(c.pending) > 0 && f.waiters == 0 {
			return parked, c.giveUpLocked(f) // others are waited for, and need the stream
		}
		if patience == nil {
			patience = time.NewTimer(maxSlotWait)
			defer patience.Stop()
		}
		if f.retry = make(chan struct{}); !parked {
			parked, f.since = true, c.now()
		}
		woken := f.retry
		c.waitingForSlot = append(c.waitingForSlot, f)
		c.mu.Unlock()
		select {
		case <-woken:
		case <-patience.C:
			late = true
		case <-f.ctx.Done():
		}
		c.mu.Lock()
		f.retry = nil
		c.waitingForSlot = slices.DeleteFunc(c.waitingForSlot, func(p *fetch) bool { return p == f })
		switch {
		case f.ctx.Err() != nil:
			return parked, f.ctx.Err()
		case late && f.waiters == 0 && (f.owner == nil || c.pausedLocked(f.owner)):
			return parked, c.giveUpLocked(f)
		case late:
			patience.Reset(maxSlotWait)
			late = false
		}
	}
	return parked, nil
}

// slotLocked returns a slot for b, the next block of f, or false where it has to wait.
func (c *Cache) slotLocked(f *fetch, b *block) (slot, bool) {
	if c.mustWaitLocked(f) {
		return noSlot, false
	}
	return c.takeLocked(f.urgencyLocked(b))
}

// giveUpLocked takes what f has not filled out of its version, so that nobody waits
// for it any more.
func (c *Cache) giveUpLocked(f *fetch) error {
	f.cancelled = true
	for _, b := range f.blocks[f.filled:] {
		c.abandonLocked(b)
	}
	return errNoSlot
}

// retryLocked has f try again for a slot, if it waits for one.
func (f *fetch) retryLocked() {
	if f.retry != nil {
		select {
		case <-f.retry:
		default:
			close(f.retry)
		}
	}
}
