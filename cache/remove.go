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
	r := removal{c: c, f: f, at: s3backend.Object{Key: key, Size: a.Size, ETag: a.ETag}}
	if f != nil {
		f.changing.Lock()
		defer f.changing.Unlock()
		if err := r.hold(ctx, a); err != nil {
			return err
		}
	}
	r.at.Key = key
	if r.at.ETag != "" {
		if err := c.grants.CanDelete(ctx, key); err != nil {
			r.abort()
			return err
		}
	}
	c.keepDir(ctx, p.prefix, p.elem)
	// The removal is journaled before what is pending ends: a process that is killed in
	// between has not removed the file.
	closed := func() {}
	if r.at.ETag != "" {
		var err error
		if closed, err = c.out.RemoveLater(r.at, a.Stale != nil); err != nil {
			r.abort()
			return err
		}
	}
	r.end(closed)
	return nil
}

// removal is the removal of a file under way.
type removal struct {
	c  *Cache
	f  *File            // open or pending, and its changing is held; or nil
	it *outbox.Item     // f's, pending and held; or nil
	at s3backend.Object // what S3 is to remove; no ETag for nothing
}

// hold holds f's pending item, so that it is not delivered meanwhile, and finds out what S3 is to
// remove. a is what the name shows.
func (r *removal) hold(ctx context.Context, a Attr) error {
	shown := r.at
	r.c.mu.Lock()
	r.it, r.at = r.f.item, r.f.obj
	r.c.mu.Unlock()
	if r.it == nil {
		if a.ETag != "" && r.at.ETag != a.ETag {
			// The open file is an older version.
			r.f, r.at = nil, shown
		}
		return nil
	}
	held, err := holdOrGone(ctx, r.it)
	switch {
	case err != nil:
		return err
	case held:
		r.at = r.it.Over()
	default:
		r.c.mu.Lock()
		r.it, r.at = nil, r.f.obj
		r.c.mu.Unlock()
	}
	return nil
}

// abort releases the file for delivery: it is not removed.
func (r *removal) abort() {
	if r.it != nil {
		r.it.Release()
	}
}

// end takes the file from the view. It calls closed, which has S3 remove the object, or has that
// done by the file's last close.
func (r *removal) end(closed func()) {
	c, f := r.c, r.f
	c.mu.Lock()
	defer c.mu.Unlock()
	if f == nil {
		closed()
		return
	}
	c.files.drop(f)
	if f.handles > 0 {
		f.unnamed, f.removeAtClose = true, closed
		if r.it != nil {
			f.held = true // for good: it is dropped at the last close
			r.it.Unname()
		}
		return
	}
	if r.it != nil {
		delete(c.pending, r.it)
		f.endItemLocked(r.it)
		r.it.Drop()
	}
	closed()
}
