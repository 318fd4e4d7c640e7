package cache

// Unreachable is called while S3 is out of reach, with the reason: nothing is attempted.
func (c *Cache) Unreachable(why error) { c.out.Unreachable(why) }

// Reachable is called when S3 can be reached again: what waits is tried at once.
func (c *Cache) Reachable() { c.out.Reachable() }
