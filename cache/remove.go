package cache

import (
	"context"

	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/s3backend"
)

// Remove removes the file at path, which was shown to lead to v. A version that the
// other party has put there since stays. The error is Denied where the policy grants
// no delete; then nothing has changed.
func (c *Cache) Remove(ctx context.Context, path string, v ShownVersion) error {
	p, a, err := c.locateToChange(ctx, path)
	if err != nil {
		return err
	}
	if a.Dir {
		return ErrIsDir
	}
	if c.changedSinceShown(a, v) {
		return c.grants.CanDelete(ctx, p.key()) // v is gone, and the other party has come after us
	}
	if err := c.removeFile(ctx, p, a); err != nil {
		return err
	}
	c.dirs.touched(p.prefix)
	return nil
}

// removeFile removes the file at p from the view. Programs that have it open keep it. The object
// at S3 is removed, at the last close if the file is open. If the policy refuses that, the error is
// Denied. After any error, nothing is changed.
func (c *Cache) removeFile(ctx context.Context, p location, a Attr) error {
	key := p.key()
	c.mu.Lock()
	f := c.files.get(key)
	c.mu.Unlock()
	var it *outbox.Item
	at := s3backend.Object{Key: key, Size: a.Size, ETag: a.ETag}
	if f != nil {
		f.changing.Lock()
		defer f.changing.Unlock()
		c.mu.Lock()
		it, at = f.item, f.obj
		c.mu.Unlock()
		if it != nil {
			held, err := holdOrGone(ctx, it)
			switch {
			case err != nil:
				return err
			case held:
				at = it.Over()
			default:
				c.mu.Lock()
				it, at = nil, f.obj
				c.mu.Unlock()
			}
		} else if a.ETag != "" && at.ETag != a.ETag {
			// The open file is an older version.
			f, at = nil, s3backend.Object{Key: key, Size: a.Size, ETag: a.ETag}
		}
	}
	at.Key = key
	if at.ETag != "" {
		if err := c.grants.CanDelete(ctx, key); err != nil {
			if it != nil {
				it.Release()
			}
			return err
		}
	}
	c.keepDir(ctx, p.prefix, p.elem)
	// The removal is journaled before what is pending ends: a process that is killed in
	// between has not removed the file.
	closed := func() {}
	if at.ETag != "" {
		var err error
		if closed, err = c.out.RemoveLater(at, a.Stale != nil); err != nil {
			if it != nil {
				it.Release()
			}
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if f == nil {
		closed()
		return nil
	}
	c.files.drop(f)
	if f.handles > 0 {
		f.unnamed, f.removeAtClose = true, closed
		if it != nil {
			f.held = true // for good: it is dropped at the last close
			it.Unname()
		}
		return nil
	}
	if it != nil {
		delete(c.pending, it)
		f.endItemLocked(it)
		it.Drop()
	}
	closed()
	return nil
}
