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
