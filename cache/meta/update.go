package meta

import (
	"strings"

	"github.com/s3share/s3share/s3backend"
)

// What this program changes at S3 changes what is known here at once, also the answers
// that are on their way and do not tell of it.

// Put notes that key now holds this version: it was just committed, or read. So the
// folders above it exist.
func (c *Cache) Put(o s3backend.Object) {
	prefix, name := split(o.Key)
	c.change(prefix, func(l *Listing) { l.put(entryOf(name, o)) })
	c.PutDir(prefix)
	if o.Header != nil {
		c.Learn(o)
	}
}

// Remove notes that key holds no object any more.
func (c *Cache) Remove(key string) {
	prefix, name := split(key)
	c.change(prefix, func(l *Listing) {
		if name == "" {
			l.setMarker(false)
			return
		}
		l.remove(name, false)
	})
}

// PutDir notes that the folder with this prefix exists, and those above it.
func (c *Cache) PutDir(prefix string) {
	for parent, name := splitDir(prefix); parent != ""; parent, name = splitDir(parent) {
		c.change(parent, func(l *Listing) { l.put(Entry{Name: name, Size: isDir}) })
	}
}

// PutMarker notes that the folder with this prefix has an object of its own.
func (c *Cache) PutMarker(prefix string) {
	c.PutDir(prefix)
	c.change(prefix, func(l *Listing) { l.setMarker(true) })
}

// RemoveDir notes that nothing begins with prefix any more.
func (c *Cache) RemoveDir(prefix string) {
	parent, name := split(strings.TrimSuffix(prefix, "/"))
	c.change(parent, func(l *Listing) { l.remove(name, true) })
	c.Drop(prefix)
}

// Drop forgets all that is known below prefix.
func (c *Cache) Drop(prefix string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes++
	c.touchLocked(prefix)
	for _, p := range c.dirs.Keys() {
		if strings.HasPrefix(p, prefix) {
			c.dirs.Remove(p)
		}
	}
	for _, p := range c.last.dirs.Keys() {
		if strings.HasPrefix(p, prefix) {
			c.last.drop(p)
		}
	}
	for _, key := range c.points.Keys() {
		if strings.HasPrefix(key, prefix) || key+"/" == prefix {
			c.points.Remove(key)
		}
	}
}

// change applies a local change to what is known of a folder, also to each
// listing that is on its way, or being read, and was begun before.
func (c *Cache) change(prefix string, apply func(*Listing)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes++
	c.touchLocked(prefix)
	c.points.Purge()
	for _, l := range c.listingsInUseLocked(prefix) {
		apply(l)
	}
	if d, ok := c.dirs.Peek(prefix); ok {
		c.countLocked(prefix, d)
	}
	c.last.count(prefix)
}
