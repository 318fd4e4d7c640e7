package content

import "time"

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
		c.mu.Lock()
		idle := c.mem.idle()
		c.mu.Unlock()
		for _, s := range idle {
			c.mem.pool.release(s)
			c.mu.Lock()
			c.mem.pool.giveCold(s)
			c.mem.wake()
			c.mu.Unlock()
		}
	}
}

// idle evicts what nobody has used for a while and takes the slots out of
// the warm ones that have lain there since the last call.
func (m *memory) idle() []slot {
	for _, l := range []*blockLRU{m.pool.used, m.pool.unread} {
		for b := oldest(l); b != nil && m.clock.now()-b.time > sweepAge; b = oldest(l) {
			m.evict(b)
		}
	}
	return m.pool.takeIdle()
}
