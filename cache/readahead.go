package cache

import (
	"time"

	"github.com/s3share/s3share/cache/content"
	"github.com/s3share/s3share/s3backend"
)

const (
	// prefetchLead is how long before it is opened a file that is cached may be found to be
	// the newest version: the answer must not be older by then than fresh.
	prefetchLead = fresh / 2
	// listAge is how old a listing may be, so that another has come before this one is
	// too old to tell anything.
	listAge = 2 * time.Second
)

// readAhead records that the file at p is opened to be read, and begins to fetch the next
// files if a program opens them one after the other.
func (c *Cache) readAhead(p location, size int64) {
	if size <= 0 || size > content.MaxPrefetch {
		return
	}
	for _, next := range c.readahead.Observe(p.prefix, p.elem, time.Now()) {
		age := listAge
		for i, e := range next.Files {
			obj := e.Object(next.Prefix)
			if !c.shows(obj) {
				continue
			}
			switch c.blocks.Prefetch(obj) {
			case content.Cached:
				age = prefetchLead // no request for its bytes will tell that it is fresh
			case content.Refused:
				c.readahead.GiveBack(next, len(next.Files)-i)
				return
			}
		}
		c.names.List(next.Prefix, age) // begins another one, if this is older
	}
}

// shows reports whether obj, which S3 lists, is what its name shows.
func (c *Cache) shows(obj s3backend.Object) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.files.get(obj.Key)
	return (f == nil || f.item == nil) && !c.out.Hides(obj)
}
