package cache

import (
	"context"

	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/s3backend"
)

// destination is a name that something is about to take. Whoever makes it ends it: by
// commitLocked and finish, or by abort.
type destination struct {
	c    *Cache
	over s3backend.Object // S3 holds it there, and what comes replaces it
	f    *File            // has the name now, and its changing is held; or nil
	it   *outbox.Item     // f's, pending and held; or nil
}

// claimDestination locks the file at key and holds its pending item, so that it is not delivered
// meanwhile. No permission to delete is needed: the rename replaces the version in S3.
func claimDestination(ctx context.Context, c *Cache, key string, dst Attr) (destination, error) {
	if dst.Key == "" {
		return destination{c: c}, nil // the outbox knows of what is being removed there
	}
	d := destination{c: c,
		over: s3backend.Object{Key: key, Size: dst.Size, ETag: dst.ETag}, f: dst.File}
	if d.f == nil {
		return d, nil
	}
	d.f.changing.Lock()
	c.mu.Lock()
	d.it, d.over.ETag = d.f.item, d.f.obj.ETag
	c.mu.Unlock()
	if d.it != nil {
		held, err := holdOrGone(ctx, d.it)
		switch {
		case err != nil:
			d.f.changing.Unlock()
			return destination{}, err
		case held:
			d.over = d.it.Over()
		default:
			c.mu.Lock()
			d.it, d.over = nil, d.f.obj
			c.mu.Unlock()
		}
	}
	d.over.Key = key
	return d, nil
}

// commitLocked takes the name from its old file, in the same critical section that gives it to the
// new one. Handles of the old file go on without a name. The caller holds mu, and calls finish
// afterwards.
func (d destination) commitLocked() {
	if d.f == nil {
		return
	}
	d.c.files.drop(d.f)
	switch {
	case d.f.handles > 0:
		d.f.unnamed = true
		d.f.held = d.f.held || d.it != nil
	case d.it != nil:
		delete(d.c.pending, d.it)
		d.f.endItemLocked(d.it)
	}
}

// finish ends what was pending under the name that was given away.
func (d destination) finish() {
	if d.f == nil {
		return
	}
	defer d.f.changing.Unlock()
	d.c.mu.Lock()
	unnamed := d.f.unnamed
	d.c.mu.Unlock()
	if d.it != nil {
		d.it.NameTaken()
	}
	switch {
	case d.it == nil:
	case unnamed:
		d.it.Unname()
	default:
		d.it.Drop()
	}
}

// abort releases the old file for delivery: its name was not taken. commitLocked was not called.
func (d destination) abort() {
	if d.f == nil {
		return
	}
	if d.it != nil {
		d.it.Release()
	}
	d.f.changing.Unlock()
}

// rename gives a file that is pending another key, over what dst shows, or free. It returns false
// where nothing is pending any more.
func (f *File) rename(ctx context.Context, key string, dst Attr) (bool, error) {
	c := f.c
	f.changing.Lock()
	defer f.changing.Unlock()
	c.mu.Lock()
	it := f.item
	c.mu.Unlock()
	if it == nil {
		return false, nil
	}
	if held, err := holdOrGone(ctx, it); !held {
		return false, err
	}
	defer it.Release()
	if it.Over().ETag != "" && !c.out.Private(key) {
		// S3 has an older version under the old name.
		if err := c.grants.CanDelete(ctx, it.Key()); err != nil {
			return false, err
		}
	}
	dest, err := claimDestination(ctx, c, key, dst)
	if err != nil {
		return false, err
	}
	if err := it.Rename(key, dest.over, dest.it); err != nil {
		dest.abort()
		return false, err
	}
	c.mu.Lock()
	dest.commitLocked()
	c.files.move(f, key)
	f.obj.Key = key
	c.mu.Unlock()
	dest.finish()
	return true, nil
}
