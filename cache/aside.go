package cache

import "time"

// asideGrace is how long S3 keeps a file that was renamed to a private name, as
// editors do with the state before they save: the new file replaces it in one
// request, and needs no right to delete.
const asideGrace = 30 * time.Second

// aside has S3 told of the removal later, unless a new file has come by then.
func (c *Cache) aside(r *removal) {
	time.AfterFunc(asideGrace, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.gone[r.obj.Key] == r {
			r.aside = false
			c.out.Remove(r.obj)
		}
	})
}
