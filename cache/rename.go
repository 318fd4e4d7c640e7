package cache

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/s3backend"
)

// Rename moves a file or a directory. What is pending moves here, without a request; what
// S3 holds is copied there, on the server, and then deleted, so that at each moment
// it is whole under one name at least.
//
// over is the version that newPath led to when the kernel last looked it up. Rename replaces
// that version, and later versions from this side. If the other party has put another version
// there, it stays, and the file becomes a conflict copy. Rename returns the version that newPath
// then leads to, if it is a file.
func (c *Cache) Rename(ctx context.Context, oldPath, newPath string,
	over ShownVersion) (ShownVersion, error) {
	return (&renaming{c: c, over: over}).run(ctx, oldPath, newPath)
}

// RenameNew is Rename to a name that is free. Its error is ErrExist where it is taken.
func (c *Cache) RenameNew(ctx context.Context, oldPath, newPath string) (ShownVersion, error) {
	return (&renaming{c: c, noReplace: true}).run(ctx, oldPath, newPath)
}

// renaming is a rename under way. Its methods return the version that the new name then leads to,
// if it is a file.
type renaming struct {
	c         *Cache
	from, to  location
	over      ShownVersion // what the new name was shown to lead to
	noReplace bool         // the new name has to be free

	// The fields below are what the names show, by the answers of S3 that are used. dst is the zero
	// Attr if nothing is at the new name that may be replaced.
	src, dst Attr
}

// run renames what is at a path.
func (r *renaming) run(ctx context.Context, oldPath, newPath string) (v ShownVersion, err error) {
	c := r.c
	if r.from, err = c.paths.locate(ctx, oldPath); err != nil {
		return v, err
	}
	if r.to, err = c.paths.locateNew(ctx, newPath); err != nil {
		return v, err
	}
	if err := errors.Join(c.paths.checkWrite(r.from.prefix, ""),
		c.paths.checkWrite(r.to.prefix, r.to.elem)); err != nil {
		return v, err
	}
	v, err = r.try(ctx, -1)
	if errors.Is(err, s3backend.Stale) {
		// What we knew was old. Nothing has been done yet.
		v, err = r.try(ctx, 0)
	}
	if err != nil {
		return ShownVersion{}, err
	}
	c.markers.dropKept(r.to.key())
	c.dirs.touched(r.from.prefix)
	c.dirs.touched(r.to.prefix)
	return v, nil
}

// try renames with answers of S3 at most maxAge old. Its error is Stale where
// they were too old; then nothing has changed.
func (r *renaming) try(ctx context.Context, maxAge time.Duration) (v ShownVersion, err error) {
	c := r.c
	if r.src, err = c.stat(ctx, r.from, maxAge); err != nil {
		return v, err
	}
	if r.src.File != nil {
		// Keep the file from being delivered under its old name during the lookups below.
		if it := r.src.File.pending(); it != nil && it.Hold(ctx) == nil {
			defer it.Release()
		}
	}
	if err := r.lookAtNew(ctx, maxAge); err != nil {
		return v, err
	}
	if r.src.Dir || r.src.File != nil {
		err = c.grants.CanPut(ctx, r.to.key())
	} else {
		err = c.grants.PutDenied(r.to.key()) // else the copy will tell, before anything has changed
	}
	if err != nil {
		return v, err
	}
	if r.from.prefix != r.to.prefix {
		elem := r.from.elem
		if r.src.Dir {
			elem += "/"
		}
		c.keepDir(ctx, r.from.prefix, elem)
	}
	if r.src.Dir {
		dir := dirRename{c: c, old: r.from.dir(), dir: r.to.dir()}
		return v, dir.run(ctx, r.dst.Dir)
	}
	return r.file(ctx)
}

// lookAtNew sets dst. It returns an error if what is at the new name may not be replaced.
func (r *renaming) lookAtNew(ctx context.Context, maxAge time.Duration) error {
	c := r.c
	dst, err := c.stat(ctx, r.to, maxAge)
	switch {
	case errors.Is(err, s3backend.NotExist):
		if err := r.to.checkNew(); err != nil {
			return err
		}
		if r.noReplace && r.src.File != nil {
			// Renaming a pending file makes no request, so ask S3 here whether the name is taken.
			taken, err := c.takenByOther(ctx, r.to)
			if err != nil {
				return err
			}
			if taken {
				return ErrExist
			}
		}
		dst = Attr{}
	case err != nil:
		return err
	case r.noReplace:
		return ErrExist
	case dst.Dir && !r.src.Dir:
		return ErrIsDir
	case !dst.Dir && r.src.Dir:
		return ErrNotDir
	case c.changedSinceShown(dst, r.over):
		dst = Attr{}
	}
	r.dst = dst
	return nil
}

// file renames a file.
func (r *renaming) file(ctx context.Context) (v ShownVersion, err error) {
	if r.from.key() == r.to.key() {
		return r.src.Version(), nil
	}
	if f := r.src.File; f != nil {
		done, err := f.rename(ctx, r.to.key(), r.dst)
		if err != nil {
			return v, err
		}
		if done {
			return f.Version(), nil
		}
		// It was delivered in this moment; S3 holds it now.
		if r.src, err = r.c.stat(ctx, r.from, -1); err != nil {
			return v, err
		}
	}
	if r.c.out.Private(r.to.key()) {
		return r.toPrivate(ctx)
	}
	return r.object(ctx)
}

// object moves what S3 holds: a copy, then a delete, each on the condition that S3 still
// holds the version that was looked at. If the other party has put another version under the new
// name since, that one stays, and ours becomes a conflict copy.
func (r *renaming) object(ctx context.Context) (v ShownVersion, err error) {
	c := r.c
	if err := c.grants.CanDelete(ctx, r.from.key()); err != nil {
		return v, err
	}
	dest, err := claimDestination(ctx, c, r.to.key(), r.dst)
	if err != nil {
		return v, err
	}
	if dest.it != nil {
		if dest.over, err = dest.it.FindCommitted(ctx); err != nil {
			dest.abort()
			return v, err
		}
	}
	old := r.src.object(r.from.key())
	_, err = c.out.Move(ctx, []outbox.Move{{From: old, To: r.to.key(), Over: dest.over,
		Displaced: dest.it}}, func(copies []s3backend.Object) {
		c.renamed(old, copies[0], dest.commitLocked)
		v.etag = copies[0].ETag
	})
	if err == nil {
		dest.finish()
		return v, nil
	}
	dest.abort()
	if r.noReplace || !errors.Is(err, s3backend.Stale) {
		return ShownVersion{}, err
	}
	there, serr := c.names.Lookup(ctx, r.to.prefix, r.to.elem, 0)
	if serr != nil || !there.IsFile || there.File.ETag == dest.over.ETag {
		return ShownVersion{}, err // it is the old name that has changed
	}
	return ShownVersion{}, r.toConflict(ctx)
}

// toConflict ends a rename whose new name the other party has taken: ours becomes a conflict
// copy.
func (r *renaming) toConflict(ctx context.Context) error {
	c := r.c
	for {
		old := r.src.object(r.from.key())
		err := c.out.MoveToConflict(ctx, old, r.to.key(), func(copies []s3backend.Object) {
			c.names.Drop(r.to.prefix)
			c.renamed(old, copies[0], func() {})
		})
		if err == nil {
			return nil
		}
		if !errors.Is(err, s3backend.Stale) {
			return err
		}
		// The other party has changed the file itself as well: that version it is.
		if r.src, err = c.stat(ctx, r.from, 0); err != nil {
			return err
		}
		if r.src.ETag == old.ETag {
			return fmt.Errorf("S3 contradicts itself about the version it holds of %q", old.Key)
		}
	}
}

// renamed notes that S3 has copied a version, before it removes the original. takeLocked is called
// under mu, in the same critical section in which files with the old key get the new one.
func (c *Cache) renamed(old, obj s3backend.Object, takeLocked func()) {
	obj = c.recordCopy(old, obj)
	c.mu.Lock()
	defer c.mu.Unlock()
	takeLocked()
	c.movedLocked(old, obj)
}

// recordCopy records for the copy obj what is known of the version old, and returns obj with the
// header of old, if that is known.
func (c *Cache) recordCopy(old, obj s3backend.Object) s3backend.Object {
	if h := c.names.Header(old.Key, old.ETag); h != nil {
		obj.Header = h
	}
	if err := c.sent.Moved(old.Key, old.ETag, obj.Key, obj.ETag); err != nil {
		c.log.Warn("a mode or a time is kept until the mount is undone only",
			"key", obj.Key, "err", err)
	}
	c.names.Put(obj)
	c.outcomes.note(obj.Key, Delivered, obj.ETag)
	c.recorded.delivered(obj, false)
	return obj
}

// movedLocked makes the open file of old, and its readers, continue with the copy obj. The caller
// holds mu.
func (c *Cache) movedLocked(old, obj s3backend.Object) {
	f := c.files.get(old.Key)
	if f == nil || f.obj.ETag != old.ETag {
		return
	}
	c.files.move(f, obj.Key)
	f.obj = obj
	if f.reader != nil {
		f.closeReaderLocked()
		f.reader = c.blocks.Open(obj)
	}
}
