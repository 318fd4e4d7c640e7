package meta

import (
	"strings"
	"time"
)

// NewDir records that this program makes the directory with this prefix where there was none
// when S3 was asked last: then nothing was in it either. Its names need no request
// until that answer is too old, so that a tree is unpacked without one for each directory.
func (c *Cache) NewDir(prefix string) {
	parent, name := split(strings.TrimSuffix(prefix, "/"))
	c.mu.Lock()
	defer c.mu.Unlock()
	asked, ok := c.absentLocked(parent, name)
	if _, known := c.dirs.Peek(prefix); known || !ok {
		return
	}
	l := c.newListingLocked(prefix, allPages)
	l.begun, l.pages, l.complete = asked, 1, true
	c.dirs.Add(prefix, &dir{cur: l})
	c.forgetSoonLocked()
}

// absentLocked returns when S3 was asked last, if it was then that it held neither an
// object nor a directory of this name.
func (c *Cache) absentLocked(prefix, name string) (asked time.Time, ok bool) {
	if d, known := c.dirs.Peek(prefix); known {
		for _, l := range []*Listing{d.next, d.cur} {
			if l == nil {
				continue
			}
			if f, decided := l.peek(name); decided {
				return l.start(), f.None()
			}
		}
	}
	p, known := c.points.Peek(prefix + name)
	return p.asked, known && p.None()
}
