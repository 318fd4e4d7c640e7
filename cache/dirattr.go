package cache

import (
	"context"
	"strings"
	"time"
)

// A directory's time and permission bits are kept here, in the ledger: S3 has no
// directories, and the object that may stand for one is made before they are set.

func (c *Cache) dirAttr(prefix string) Attr {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dirAttrLocked(prefix)
}

func (c *Cache) dirAttrLocked(prefix string) Attr {
	set := c.sent.Dir(prefix)
	a := Attr{Dir: true, Mtime: c.begun, Mode: set.Mode, HasMode: set.HasMode, Key: prefix, Deny: c.grants.Denied(prefix, true)}
	if t, ok := c.times[prefix]; ok {
		a.Mtime = t
	} else if set.Touched {
		a.Mtime = set.Mtime
	}
	return a
}

// SetDirMtime sets the time of a directory.
func (c *Cache) SetDirMtime(ctx context.Context, path string, t time.Time) error {
	p, err := c.locateDir(ctx, path)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.times[p.dir()] = t
	c.keepDirLocked(p.dir(), &t, nil)
	return nil
}

// SetDirMode sets the permission bits of a directory. What the policy does not grant is
// taken away when they are shown.
func (c *Cache) SetDirMode(ctx context.Context, path string, mode uint32) error {
	p, err := c.locateDir(ctx, path)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keepDirLocked(p.dir(), nil, &mode)
	return nil
}

// locateDir finds the place of a directory that is there. The root has no attributes of
// its own.
func (c *Cache) locateDir(ctx context.Context, path string) (location, error) {
	if path == "" {
		return location{}, ErrNotHere
	}
	p, err := c.paths.locate(ctx, path)
	if err != nil {
		return p, err
	}
	switch a, err := c.stat(ctx, p, -1); {
	case err != nil:
		return p, err
	case !a.Dir:
		return p, ErrNotDir
	}
	return p, nil
}

// touchedLocked notes that the entries of a directory changed here. A time that was set
// of it holds no more, after a kill either.
func (c *Cache) touchedLocked(prefix string) {
	now := time.Now()
	c.times[prefix] = now
	if c.sent.Dir(prefix).Touched {
		c.keepDirLocked(prefix, &now, nil)
	}
}

func (c *Cache) keepDirLocked(prefix string, mtime *time.Time, mode *uint32) {
	if err := c.sent.SetDir(prefix, mtime, mode); err != nil {
		c.log.Warn("a mode or a time is kept until the mount is undone only", "key", prefix, "err", err)
	}
}

// madeDirLocked notes that a directory was made now, and has nothing of an earlier one.
func (c *Cache) madeDirLocked(prefix string, mode *uint32) {
	now := time.Now()
	c.forgetDirLocked(prefix)
	c.times[prefix] = now
	if mode != nil {
		c.keepDirLocked(prefix, &now, mode)
	}
}

// forgetDirLocked forgets the attributes of a directory that is no more.
func (c *Cache) forgetDirLocked(prefix string) {
	delete(c.times, prefix)
	c.attrs.forget(prefix)
}

// movedDirLocked has the attributes of a directory, and of those below it, follow their
// new names.
func (c *Cache) movedDirLocked(old, dir string) {
	c.forgetDirLocked(dir) // an empty one that it has replaced
	for prefix, t := range c.times {
		if below, ok := strings.CutPrefix(prefix, old); ok {
			delete(c.times, prefix)
			c.times[dir+below] = t
		}
	}
	if err := c.sent.MovedDir(old, dir); err != nil {
		c.log.Warn("a mode or a time is kept until the mount is undone only", "key", dir, "err", err)
	}
}

// keepDirTimes writes down when the entries of directories changed here.
func (c *Cache) keepDirTimes() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for prefix, t := range c.times {
		if e := c.sent.Dir(prefix); !e.Touched || !e.Mtime.Equal(t) {
			c.keepDirLocked(prefix, &t, nil)
		}
	}
}
