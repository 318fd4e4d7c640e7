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
func (c *Cache) Rename(ctx context.Context, oldPath, newPath string, over ShownVersion) (ShownVersion, error) {
	return c.renameAs(ctx, oldPath, newPath, renaming{over: over})
}

// RenameNew is Rename to a name that is free. Its error is ErrExist where it is taken.
func (c *Cache) RenameNew(ctx context.Context, oldPath, newPath string) (ShownVersion, error) {
	return c.renameAs(ctx, oldPath, newPath, renaming{noReplace: true})
}

// renaming says what a rename may replace.
type renaming struct {
	over      ShownVersion
	noReplace bool
}

func (c *Cache) renameAs(ctx context.Context, oldPath, newPath string, how renaming) (ShownVersion, error) {
	from, err := c.paths.locate(ctx, oldPath)
	if err != nil {
		return ShownVersion{}, err
	}
	to, err := c.paths.locateNew(ctx, newPath)
	if err != nil {
		return ShownVersion{}, err
	}
	if err := errors.Join(c.paths.checkWrite(from.prefix, ""), c.paths.checkWrite(to.prefix, to.elem)); err != nil {
		return ShownVersion{}, err
	}
	v, err := c.rename(ctx, from, to, how, -1)
	if errors.Is(err, s3backend.Stale) {
		// What we knew was old. Nothing has been done yet.
		v, err = c.rename(ctx, from, to, how, 0)
	}
	if err != nil {
		return ShownVersion{}, err
	}
	c.markers.dropKept(to.key())
	c.dirs.touched(from.prefix)
	c.dirs.touched(to.prefix)
	return v, nil
}

// rename renames with answers of S3 at most maxAge old. Its error is Stale where
// they were too old; then nothing has changed.
func (c *Cache) rename(ctx context.Context, from, to location, how renaming, maxAge time.Duration) (ShownVersion, error) {
	src, err := c.stat(ctx, from, maxAge)
	if err != nil {
		return ShownVersion{}, err
	}
	if src.File != nil {
		// Keep the file from being delivered under its old name during the lookups below.
		if it := src.File.pending(); it != nil && it.Hold(ctx) == nil {
			defer it.Release()
		}
	}
	dst, err := c.stat(ctx, to, maxAge)
	switch {
	case errors.Is(err, s3backend.NotExist):
		if err := to.checkNew(); err != nil {
			return ShownVersion{}, err
		}
		if how.noReplace && src.File != nil {
			// Renaming a pending file makes no request, so ask S3 here whether the name is taken.
			taken, err := c.takenByOther(ctx, to)
			if err != nil {
				return ShownVersion{}, err
			}
			if taken {
				return ShownVersion{}, ErrExist
			}
		}
		dst = Attr{}
	case err != nil:
		return ShownVersion{}, err
	case how.noReplace:
		return ShownVersion{}, ErrExist
	case dst.Dir && !src.Dir:
		return ShownVersion{}, ErrIsDir
	case !dst.Dir && src.Dir:
		return ShownVersion{}, ErrNotDir
	case c.changedSinceShown(dst, how.over):
		dst = Attr{}
	}
	if src.Dir || src.File != nil {
		err = c.grants.CanPut(ctx, to.key())
	} else {
		err = c.grants.PutDenied(to.key()) // else the copy will tell, before anything has changed
	}
	if err != nil {
		return ShownVersion{}, err
	}
	if from.prefix != to.prefix {
		elem := from.elem
		if src.Dir {
			elem += "/"
		}
		c.keepDir(ctx, from.prefix, elem)
	}
	if src.Dir {
		return ShownVersion{}, c.renameDir(ctx, from, to, dst.Dir)
	}
	return c.renameFile(ctx, from, to, src, dst, how.noReplace)
}

// renameFile renames a file over what dst shows, or to a name that is free.
func (c *Cache) renameFile(ctx context.Context, from, to location, src, dst Attr, noReplace bool) (ShownVersion, error) {
	if from.key() == to.key() {
		return src.Version(), nil
	}
	if src.File != nil {
		done, err := c.renamePending(ctx, src.File, to, dst)
		if err != nil {
			return ShownVersion{}, err
		}
		if done {
			return src.File.Version(), nil
		}
		// It was delivered in this moment; S3 holds it now.
		if src, err = c.stat(ctx, from, -1); err != nil {
			return ShownVersion{}, err
		}
	}
	if c.out.Private(to.key()) {
		return c.renameToPrivate(ctx, from, to, src, dst)
	}
	return c.renameObject(ctx, from, to, src, dst, noReplace)
}

// renamePending moves a file that is pending; false where nothing is pending any more.
func (c *Cache) renamePending(ctx context.Context, f *File, to location, dst Attr) (bool, error) {
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
	if it.Over().ETag != "" && !c.out.Private(to.key()) {
		// S3 has an older version under the old name.
		if err := c.grants.CanDelete(ctx, it.Key()); err != nil {
			return false, err
		}
	}
	dest, err := c.claimDestination(ctx, to.key(), dst)
	if err != nil {
		return false, err
	}
	if err := it.Rename(to.key(), dest.over, dest.it); err != nil {
		dest.abort()
		return false, err
	}
	c.mu.Lock()
	dest.commitLocked()
	c.files.move(f, to.key())
	f.obj.Key = to.key()
	c.mu.Unlock()
	dest.finish()
	return true, nil
}

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
func (c *Cache) claimDestination(ctx context.Context, key string, dst Attr) (destination, error) {
	if dst.Key == "" {
		return destination{c: c}, nil // the outbox knows of what is being removed there
	}
	d := destination{c: c, over: s3backend.Object{Key: key, Size: dst.Size, ETag: dst.ETag}, f: dst.File}
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

// renameObject moves what S3 holds: a copy, then a delete, each on the condition that S3 still
// holds the version that was looked at. If the other party has put another version under the new
// name since, that one stays, and ours becomes a conflict copy.
func (c *Cache) renameObject(ctx context.Context, from, to location, src, dst Attr, noReplace bool) (ShownVersion, error) {
	if err := c.grants.CanDelete(ctx, from.key()); err != nil {
		return ShownVersion{}, err
	}
	dest, err := c.claimDestination(ctx, to.key(), dst)
	if err != nil {
		return ShownVersion{}, err
	}
	if dest.it != nil {
		if dest.over, err = dest.it.FindCommitted(ctx); err != nil {
			dest.abort()
			return ShownVersion{}, err
		}
	}
	var v ShownVersion
	old := src.object(from.key())
	_, err = c.out.Move(ctx, []outbox.Move{{From: old, To: to.key(), Over: dest.over, Displaced: dest.it}}, func(copies []s3backend.Object) {
		c.renamed(old, copies[0], dest.commitLocked)
		v.etag = copies[0].ETag
	})
	if err == nil {
		dest.finish()
		return v, nil
	}
	dest.abort()
	if noReplace || !errors.Is(err, s3backend.Stale) {
		return ShownVersion{}, err
	}
	there, serr := c.names.Lookup(ctx, to.prefix, to.elem, 0)
	if serr != nil || !there.IsFile || there.File.ETag == dest.over.ETag {
		return ShownVersion{}, err // it is the old name that has changed
	}
	return ShownVersion{}, c.renameToConflict(ctx, from, to, src)
}

// renameToConflict ends a rename whose new name the other party has taken: ours becomes a conflict
// copy.
func (c *Cache) renameToConflict(ctx context.Context, from, to location, src Attr) error {
	for {
		old := src.object(from.key())
		err := c.out.MoveToConflict(ctx, old, to.key(), func(copies []s3backend.Object) {
			c.names.Drop(to.prefix)
			c.renamed(old, copies[0], func() {})
		})
		if err == nil {
			return nil
		}
		if !errors.Is(err, s3backend.Stale) {
			return err
		}
		// The other party has changed the file itself as well: that version it is.
		if src, err = c.stat(ctx, from, 0); err != nil {
			return err
		}
		if src.ETag == old.ETag {
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
		c.log.Warn("a mode or a time is kept until the mount is undone only", "key", obj.Key, "err", err)
	}
	c.names.Put(obj)
	c.outcomes.note(obj.Key, Delivered, obj.ETag)
	c.noteDelivered(obj, false)
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
