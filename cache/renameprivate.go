package cache

import (
	"context"

	"github.com/s3share/s3share/s3backend"
)

// toPrivate moves a file that S3 holds to a name that stays on this machine: its
// bytes are brought here, and S3 keeps the object until a new file of its name
// replaces it, or for a while.
func (r *renaming) toPrivate(ctx context.Context) (ShownVersion, error) {
	c, src := r.c, r.src
	f := c.fileOf(r.from.key(), src)
	f.changing.Lock()
	defer f.changing.Unlock()
	if f.pending() != nil || f.Attr().ETag != src.ETag {
		return ShownVersion{}, s3backend.Stale // it was written to in this moment
	}
	dest, err := claimDestination(ctx, c, r.to.key(), r.dst)
	if err != nil {
		return ShownVersion{}, err
	}
	old := src.object(r.from.key())
	it, err := f.newPrivateItem(r.to.key(), old)
	if err == nil {
		if err = it.KeepPrivate(ctx, old); err == nil {
			err = it.SetMtime(src.Mtime)
		}
		if err == nil && src.HasMode {
			err = it.SetMode(src.Mode)
		}
		if err != nil {
			f.dropItem(it)
		}
	}
	if err != nil {
		dest.abort()
		return ShownVersion{}, err
	}
	c.mu.Lock()
	dest.commitLocked()
	c.files.move(f, r.to.key())
	f.obj = s3backend.Object{Key: r.to.key()}
	release := f.writers == 0
	if release {
		f.held = false
	}
	if f.handles == 0 {
		f.staged = false
		defer it.Close()
	}
	c.mu.Unlock()
	dest.finish()
	if release {
		it.Release()
	}
	return f.Version(), nil
}
