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

// waitForSlot gives b, the next block of f, a slot. parked reports whether it had to wait.
func (c *Cache) waitForSlot(f *fetch, b *block) (parked bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var patience *time.Timer
	late := false
	for b.slot == noSlot {
		if s, ok := c.mem.slotFor(f, b); ok {
			c.mem.pool.setSlot(b, s)
			return parked, nil
		}
		if c.streams.awaited() && f.waiters == 0 {
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
		c.mem.waiting = append(c.mem.waiting, f)
		c.mu.Unlock()
		select {
		case <-woken:
		case <-patience.C:
			late = true
		case <-f.ctx.Done():
		}
		c.mu.Lock()
		f.retry = nil
		c.mem.waiting = slices.DeleteFunc(c.mem.waiting, func(p *fetch) bool { return p == f })
		switch {
		case f.ctx.Err() != nil:
			return parked, f.ctx.Err()
		case late && f.waiters == 0 && (f.owner == nil || f.owner.paused(c.now())):
			return parked, c.giveUpLocked(f)
		case late:
			patience.Reset(maxSlotWait)
			late = false
		}
	}
	return parked, nil
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
