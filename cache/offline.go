package cache

// Unreachable is called while S3 is out of reach, with the reason: nothing is attempted.
func (c *Cache) Unreachable(why error) { c.out.Admission.Unreachable(why) }

// Reachable is called when S3 can be reached again: what waits is tried at once.
func (c *Cache) Reachable() {
	c.out.Reachable()
	c.grants.Reachable()
}

// KeepLast writes what was listed last, and what the policy granted, for a later process.
func (c *Cache) KeepLast() { c.last.keep(c.names, c.grants) }
