package cache

import (
	"context"
	"errors"
	"time"

	"github.com/s3share/s3share/cache/meta"
	"github.com/s3share/s3share/s3backend"
)

// Attr is what is shown of a file or directory.
type Attr struct {
	Dir     bool
	Size    int64
	Mtime   time.Time
	Mode    uint32 // permission bits, if HasMode; else the mount's default is shown
	Deny    uint32 // permission bits that the policy takes away
	HasMode bool
	Key     string // S3's name for it; a directory's ends in "/"
	ETag    string // of the version that S3 holds; "" for none yet
	Class   string // S3's storage class, "" where it is not known
	Stale   error  // S3 held it when it was asked last; this is why it cannot be asked now
	// File is set for a file that is open or pending.
	File *File
	// Unnamed is set if the name of an open file was removed.
	Unnamed bool
}

// object returns the version of the file, at this key.
func (a Attr) object(key string) s3backend.Object {
	return s3backend.Object{Key: key, Size: a.Size, ETag: a.ETag, Class: a.Class}
}

// locateToChange finds the location of a path where something is to be changed or removed, and
// what is shown there.
func (c *Cache) locateToChange(ctx context.Context, path string) (location, Attr, error) {
	p, err := c.paths.locate(ctx, path)
	if err != nil {
		return p, Attr{}, err
	}
	if err := c.paths.checkWrite(p.prefix, ""); err != nil {
		return p, Attr{}, err
	}
	a, err := c.stat(ctx, p, -1)
	return p, a, err
}

// Stat returns what is at path ("" is the root). Its error is NotExist if nothing is.
func (c *Cache) Stat(ctx context.Context, path string) (Attr, error) {
	if path == "" {
		return c.dirs.root(), nil
	}
	p, err := c.paths.locate(ctx, path)
	if err != nil {
		return Attr{}, err
	}
	return c.stat(ctx, p, -1)
}

// stat is Stat with an answer of S3 at most maxAge old, negative for the cache's
// own time to live. While S3 cannot be asked, its last answer counts, however old.
func (c *Cache) stat(ctx context.Context, p location, maxAge time.Duration) (Attr, error) {
	a, err := c.statNow(ctx, p, maxAge)
	if !errors.Is(err, s3backend.ErrOffline) {
		return a, err
	}
	found, ok := c.names.Last(p.prefix, p.elem)
	if !ok {
		return a, err
	}
	dir := found.IsDir && c.dirExists(ctx, p.dir())
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case dir && !p.shadowed:
		return c.dirs.of(p.dir()), nil
	case found.IsFile && p.shadowed == dir:
		if file := c.entryAttrLocked(p.prefix, found.File); file != nil {
			file.Stale = err
			return *file, nil
		}
	}
	return Attr{}, errNotExist(p.key())
}

// statNow is stat without answers that are too old.
func (c *Cache) statNow(ctx context.Context, p location, maxAge time.Duration) (Attr, error) {
	if p.prefix == "" {
		if c.paths.checkFolder(p.elem) != nil {
			return Attr{}, errNotExist(p.elem)
		}
		return c.dirs.of(p.dir()), nil
	}
	file, dir, err := c.look(ctx, p, maxAge)
	switch {
	case err != nil:
		return Attr{}, err
	case dir && !p.shadowed:
		return c.dirs.of(p.dir()), nil
	case file != nil && p.shadowed == dir:
		return *file, nil
	}
	return Attr{}, errNotExist(p.key())
}

// look returns the object and the directory at a location, this side's changes included. A file
// that waits here hides a directory that the other party has made: S3 need not be asked about it.
func (c *Cache) look(ctx context.Context,
	p location, maxAge time.Duration) (file *Attr, dir bool, err error) {
	for {
		file, pendingDir, known := c.pendingAt(p)
		if known && !(pendingDir && p.shadowed) {
			return file, pendingDir, nil
		}
		removing := c.removing(p)
		found, err := c.names.Lookup(ctx, p.prefix, p.elem, maxAge)
		if err != nil {
			return nil, false, err
		}
		dir = pendingDir || found.IsDir && c.dirExists(ctx, p.dir())
		c.mu.Lock()
		if found.IsFile {
			file = c.entryAttrLocked(p.prefix, found.File)
		}
		c.mu.Unlock()
		if file == nil && !dir || !removing || c.removing(p) {
			return file, dir, nil
		}
		// It was being removed when S3 was asked, and is gone by now.
	}
}

// removing reports whether what was at a location is being removed.
func (c *Cache) removing(p location) bool {
	_, file := c.out.Removing(p.key())
	there, _ := c.removed.exists(p.dir())
	return file || !there
}

// pendingAt answers from what is pending alone, where that settles it.
func (c *Cache) pendingAt(p location) (file *Attr, dir, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.files.get(p.key()); f != nil && f.item != nil {
		a := f.attrLocked()
		return &a, false, true
	}
	if c.markers.pendingAt(p.dir()) || c.pendingBelowLocked(p.dir(), "") {
		return nil, true, true
	}
	return nil, false, false
}

// entryAttrLocked is the attribute of an object that S3 lists, or nil if this side
// has removed it. The caller holds mu.
func (c *Cache) entryAttrLocked(prefix string, e meta.Entry) *Attr {
	key := prefix + e.Name
	if c.out.Hides(e.Object(prefix)) {
		return nil
	}
	a := c.attrs.of(e.Object(prefix))
	if f := c.files.get(key); f != nil && f.obj.ETag == e.ETag {
		a.File = f
	}
	return &a
}
