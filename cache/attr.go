package cache

import (
	"context"
	"time"

	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/s3backend"
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
	c.setMode(a.Key, a.ETag, mode)
	return nil
}

// keepMode has an item that changes a version begin with the permission bits that were
// set of that version here: S3 does not know them.
func (c *Cache) keepMode(it *outbox.Item, base s3backend.Object) {
	if e, ok := c.sent.Get(base.Key, base.ETag); ok && base.ETag != "" && e.HasMode && !it.HasMode() {
		it.Permit(e.Mode)
	}
}
