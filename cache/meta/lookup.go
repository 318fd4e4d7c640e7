package meta

import (
	"context"
	"fmt"
	"time"

	"github.com/s3share/s3share/s3backend"
)

// Found is the answer about one name: S3 can hold an object and a folder of the
// same name side by side.
type Found struct {
	File  Entry // valid if IsFile
	IsDir bool
	// IsFile is set if there is an object of exactly this name.
	IsFile bool
}

// None reports whether the name is not taken.
func (f Found) None() bool { return !f.IsFile && !f.IsDir }

type point struct {
	Found
	asked time.Time
}

// Lookup returns what prefix+name is, from an answer at most maxAge old (negative:
// the cache's own time to live).
func (c *Cache) Lookup(ctx context.Context, prefix, name string,
	maxAge time.Duration) (Found, error) {
	if f, ok := c.Known(prefix, name, maxAge); ok {
		return f, nil
	}
	c.mu.Lock()
	d, ok := c.dirs.Get(prefix)
	if ok && d.cur != nil && d.cur.large() {
		l := c.readOnLocked(d, maxAge)
		good := l.usable(c.age(l, maxAge))
		c.mu.Unlock()
		if good {
			if f, ok := l.await(ctx, name); ok {
				return f, nil
			}
		}
		return c.point(ctx, prefix, name)
	}
	if maxAge < 0 {
		maxAge = absentTTL // what is known, and not good enough, is older
	}
	l := c.listLocked(prefix, maxAge, firstPage)
	c.mu.Unlock()
	if f, ok, err := l.lookup(ctx, name, somePages); err != nil || ok {
		return f, err
	}
	return c.point(ctx, prefix, name)
}

// readOnLocked has more of a large folder's listing read, behind the back of those who
// look up names that it does not have yet, the sooner the more names of it they did:
// who works through a folder in order gets all names from the listing.
func (c *Cache) readOnLocked(d *dir, maxAge time.Duration) *Listing {
	if time.Since(d.lately) > c.cfg.TTL {
		d.pointed = 0
	}
	d.lately = time.Now()
	d.pointed++
	switch l := d.cur; {
	case d.known >= knownBeforeMore:
		d.known = 0
		return c.listLocked(l.prefix, maxAge, l.Pages()+somePages)
	case d.pointed%pointsBeforeAll == 0:
		return c.listLocked(l.prefix, maxAge, allPages)
	case d.pointed%pointsBeforeAll == pointsBeforeMore:
		return c.listLocked(l.prefix, maxAge, somePages)
	default:
		return l
	}
}

// Known is Lookup from memory: false if S3 would have to be asked.
func (c *Cache) Known(prefix, name string, maxAge time.Duration) (Found, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d, ok := c.dirs.Get(prefix); ok {
		for _, l := range []*Listing{d.next, d.cur} {
			if l == nil || !l.usable(c.age(l, maxAge)) {
				continue
			}
			if f, ok := l.peek(name); ok && (!f.None() || l.large() || l.usable(absentTTL)) {
				d.known++
				return f, true
			}
		}
	}
	if maxAge < 0 {
		maxAge = c.cfg.TTL
	}
	if p, ok := c.points.Get(prefix + name); ok && time.Since(p.asked) <= maxAge &&
		(!p.None() || time.Since(p.asked) <= absentTTL) {
		return p.Found, true
	}
	return Found{}, false
}

// point asks S3 for one name. It needs no permission but to list, and finds the
// object and the folder of a name alike.
func (c *Cache) point(ctx context.Context, prefix, name string) (Found, error) {
	key := prefix + name
	c.mu.Lock()
	changes := c.changes
	c.mu.Unlock()
	// Nobody joins a question that was asked before a change of ours.
	ch := c.flight.DoChan(fmt.Sprintf("%d %s", changes, key), func() (any, error) {
		asked := time.Now()
		f, err := c.ask(c.ctx, key, name)
		if err != nil {
			return Found{}, err
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.changes == changes {
			c.points.Add(key, point{f, asked})
			c.correctLocked(prefix, name, f, asked)
		}
		return f, nil
	})
	select {
	case r := <-ch:
		if r.Err != nil {
			return Found{}, r.Err
		}
		return r.Val.(Found), nil
	case <-ctx.Done():
		return Found{}, ctx.Err()
	}
}

// correctLocked updates the folder's listing with a newer answer, so that nobody gets the older
// version after somebody got the newer one.
func (c *Cache) correctLocked(prefix, name string, f Found, asked time.Time) {
	d, ok := c.dirs.Peek(prefix)
	if !ok || d.cur == nil || d.cur.after(asked) {
		return
	}
	old, known := d.cur.peek(name)
	switch {
	case f.IsFile && (!old.IsFile || old.File.ETag != f.File.ETag):
		d.cur.put(f.File)
	case !f.IsFile && known && old.IsFile:
		d.cur.remove(name, false)
	}
	c.countLocked(prefix, d)
}

// ask lists what begins with key. Names such as "a-1" stand between "a" and
// "a/", so the folder may take a second request.
func (c *Cache) ask(ctx context.Context, key, name string) (f Found, err error) {
	page, err := c.bucket.List(ctx, s3backend.ListInput{Prefix: key, Delimiter: "/", Max: 100})
	if err != nil {
		return f, err
	}
	for _, o := range page.Objects {
		if o.Key == key {
			f.File, f.IsFile = entryOf(name, o), true
		}
	}
	for _, p := range page.Prefixes {
		f.IsDir = f.IsDir || p == key+"/"
	}
	if f.IsDir || page.Next == "" {
		return f, nil
	}
	page, err = c.bucket.List(ctx, s3backend.ListInput{Prefix: key + "/", Max: 1})
	f.IsDir = len(page.Objects)+len(page.Prefixes) > 0
	return f, err
}

// Count returns from memory how many entries a folder has at least, and whether it has an
// object of its own; known is false where S3 would have to be asked.
func (c *Cache) Count(prefix string) (n int, marker, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d, ok := c.dirs.Peek(prefix)
	if !ok || d.cur == nil {
		return 0, false, false
	}
	return d.cur.count()
}
