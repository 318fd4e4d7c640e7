package content

// fillFromDisk fills the blocks of f from the disk cache, and reports whether it
// could. Where it could not, it is for the source to fill the rest.
func (c *Cache) fillFromDisk(f *fetch) bool {
	d, e := c.disk, f.disk
	d.Hold(e)
	defer d.Release(e)
	for n, b := range f.blocks {
		if f.ctx.Err() != nil {
			return false
		}
		if _, err := c.waitForSlot(f, b); err != nil {
			return false
		}
		p := c.mem.pool.bytes(b.slot)[:f.v.length(b.index)]
		if err := d.Read(e, b.index, p); err != nil {
			if f.ctx.Err() != nil || !e.Has(b.index) {
				return false // cancelled, or evicted meanwhile
			}
			c.log.Warn("disk cache: block dropped", "key", f.v.obj.Key,
				"block", b.index, "err", err)
			c.mu.Lock()
			c.stats.Corrupt++
			c.mu.Unlock()
			for _, b := range f.blocks[n:] { // to be written again
				d.Drop(e, b.index)
			}
			return false
		}
		c.mu.Lock()
		f.filled++
		c.stats.FromDisk += int64(len(p))
		c.mem.full(b)
		c.mu.Unlock()
	}
	return true
}
