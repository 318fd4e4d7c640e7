package cache

import (
	"context"
	"errors"
	"time"
)

// Name is one name of a directory, for whoever compares what is there with what was there.
type Name struct {
	DirEntry
	Pending bool // it is being written here, or waits for delivery
	Ours    bool // the version was delivered from here
}

// errStale is returned where S3 cannot be asked, and what it held last is no answer.
var errStale = errors.New("only what S3 held last is known")

// ReadNames calls see for each name of the directory at path, by a listing that was begun at most
// maxAge ago. While S3 cannot be asked, it returns an error. A directory that is not there has no
// names.
func (c *Cache) ReadNames(ctx context.Context,
	path string, maxAge time.Duration, see func(Name)) error {
	p, err := c.paths.locate(ctx, path)
	if err != nil {
		return err
	}
	if err := c.paths.checkFolder(p.dir()); err != nil {
		return err
	}
	d := &Dir{c: c, hidden: map[string]bool{}, prefix: p.dir()}
	d.addPending()
	d.listing = c.names.List(d.prefix, maxAge)
	for {
		e, _, ok, err := d.Next(ctx)
		switch {
		case err != nil:
			return err
		case d.stale:
			return errStale
		case !ok:
			return nil
		}
		n := Name{DirEntry: e}
		if !e.Attr.Dir {
			n.Pending = e.Attr.File != nil && e.Attr.File.pending() != nil
			n.Ours = c.deliveries.DeliveredHere(e.Attr.Key, e.Attr.ETag)
		}
		see(n)
	}
}

// ListedSince reports whether the names of the directory at path are known from a listing that was
// begun at most maxAge ago: then ReadNames makes no request.
func (c *Cache) ListedSince(path string, maxAge time.Duration) bool {
	key, _, ok := keyOf(path)
	return ok && c.names.ListedSince(key+"/", maxAge)
}

// DirAttr returns what is shown of a directory at path. It makes no request, and does not check
// that the directory exists.
func (c *Cache) DirAttr(path string) (Attr, error) {
	if path == "" {
		return c.dirs.root(), nil
	}
	key, _, ok := keyOf(path)
	if !ok {
		return Attr{}, errNotExist(path)
	}
	return c.dirs.of(key + "/"), nil
}
