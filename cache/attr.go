package cache

import (
	"context"
	"time"
)

// SetMtime sets the time of the last change of the file at path.
func (c *Cache) SetMtime(ctx context.Context, path string, t time.Time) error {
	return c.withHandle(ctx, path, func(h *Handle) error { return h.SetMtime(ctx, t) })
}

// Truncate sets the size of the file at path.
func (c *Cache) Truncate(ctx context.Context, path string, size int64) error {
	return c.withHandle(ctx, path, func(h *Handle) error { return h.Truncate(ctx, size) })
}

// withHandle opens a file for one change.
func (c *Cache) withHandle(ctx context.Context, path string, do func(*Handle) error) error {
	h, err := c.Open(ctx, path, OpenMode{Write: true})
	if err != nil {
		return err
	}
	defer h.Release()
	return do(h)
}

// SetMode sets the permission bits of the file at path. They travel with what is
// not committed yet; for a version that S3 holds they are kept here.
func (c *Cache) SetMode(ctx context.Context, path string, mode uint32) error {
	_, a, err := c.locateToChange(ctx, path)
	if err != nil {
		return err
	}
	if a.Dir {
		return ErrIsDir
	}
	if a.File != nil {
		return c.withHandle(ctx, path, func(h *Handle) error { return h.SetMode(ctx, mode) })
	}
	c.attrs.setMode(a.Key, a.ETag, mode)
	return nil
}

// SetDirMtime sets the time of a directory.
func (c *Cache) SetDirMtime(ctx context.Context, path string, t time.Time) error {
	p, err := c.locateDir(ctx, path)
	if err != nil {
		return err
	}
	c.dirs.setMtime(p.dir(), t)
	return nil
}

// SetDirMode sets the permission bits of a directory. What the policy does not grant is
// taken away when they are shown.
func (c *Cache) SetDirMode(ctx context.Context, path string, mode uint32) error {
	p, err := c.locateDir(ctx, path)
	if err != nil {
		return err
	}
	c.dirs.setMode(p.dir(), mode)
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
