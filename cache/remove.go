package cache

import (
	"context"
	"errors"

	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/s3backend"
)

// removal is a version that S3 still holds and that this side shows no more.
type removal struct {
	obj s3backend.Object
	// file is who still reads it: then S3 is told at its last close.
	file *File
	// aside tells that S3 is not told for a while: a new file may come.
	aside bool
	// left tells that it is removed once the file that was renamed away from here
	// is delivered, and only if it is still there then.
	left bool
	// keep tells that the folder stays though this was the last file in it.
	keep bool
}

// hides tells whether a version that S3 lists is the one that is shown no more.
func (r *removal) hides(etag string) bool { return r != nil && r.obj.ETag == etag }

// Remove removes the file at path, which was shown to lead to v. A version that the
// other party has put there since stays. The error is Denied where the policy grants
// no delete; then nothing has changed.
func (c *Cache) Remove(ctx context.Context, path string, v Version) error {
	p, err := c.locate(ctx, path)
	if err != nil {
		return err
	}
	if err := c.checkWrite(p.prefix, ""); err != nil {
		return err
	}
	a, err := c.stat(ctx, p, -1)
	if err != nil {
		return err
	}
	if a.Dir {
		return ErrIsDir
	}
	if c.unseen(a, v) {
		return c.mayDelete(ctx, p.key()) // v is gone, and the other party has come after us
	}
	old, err := c.vacate(ctx, p.key(), a)
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.touchedLocked(p.prefix)
	c.mu.Unlock()
	if old != nil {
		c.out.Remove(old.obj)
	}
	return nil
}

// vacate takes the file at key out of the view. Who has it open keeps it. It
// returns what S3 has to be told to remove, or nil: where the policy refuses
// that, nothing is changed and the error is Denied.
func (c *Cache) vacate(ctx context.Context, key string, a Attr) (*removal, error) {
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
			switch err := it.Hold(ctx); {
			case errors.Is(err, outbox.ErrGone):
				<-it.Gone()
				c.mu.Lock()
				it, at = nil, f.obj
				c.mu.Unlock()
			case err != nil:
				return nil, err
			default:
				at = it.Over()
			}
		} else if a.ETag != "" && at.ETag != a.ETag {
			f, at = nil, s3backend.Object{Key: key, Size: a.Size, ETag: a.ETag} // open is an older version
		}
	}
	at.Key = key
	if at.ETag != "" {
		if err := c.mayDelete(ctx, key); err != nil {
			if it != nil {
				it.Release()
			}
			return nil, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var r *removal
	if at.ETag != "" {
		r = &removal{obj: at, keep: true}
		c.gone[key] = r
	}
	if f == nil {
		return r, nil
	}
	c.files.drop(f)
	if f.handles > 0 {
		f.unnamed = true
		if it != nil {
			f.held = true // for good: it is dropped at the last close
			it.Unname()
		}
		if r != nil {
			r.file, f.remove = f, r
			return nil, nil
		}
		return nil, nil
	}
	if it != nil {
		delete(c.owed, it)
		f.endItemLocked(it)
		it.Drop()
	}
	return r, nil
}

// takeOver returns what S3 still holds at a key whose removal has not been sent:
// the new object replaces it, and the removal is not needed.
func (c *Cache) takeOver(key string) s3backend.Object {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.gone[key]
	switch {
	case r == nil:
		return s3backend.Object{}
	case r.aside, r.left:
	case r.file != nil && r.file.remove == r:
		r.file.remove = nil
	case !c.out.CancelRemove(key):
		return s3backend.Object{}
	}
	delete(c.gone, key)
	return r.obj
}

// Mkdir makes a folder at path, which stays when it is empty.
func (c *Cache) Mkdir(ctx context.Context, path string) error {
	p, err := c.locate(ctx, path)
	if errors.Is(err, s3backend.NotExist) {
		return ErrInvalid
	}
	if err != nil {
		return err
	}
	if err := c.checkWrite(p.prefix, p.elem+"/"); err != nil {
		return err
	}
	if _, err := c.stat(ctx, p, -1); err == nil {
		return ErrExist
	} else if !errors.Is(err, s3backend.NotExist) {
		return err
	}
	if err := c.mayPut(ctx, p.dir()); err != nil {
		return err
	}
	if err := c.oweFolder(p.dir()); err != nil {
		return err
	}
	c.names.Made(p.dir())
	c.mu.Lock()
	defer c.mu.Unlock()
	c.touchedLocked(p.prefix)
	return nil
}

// oweFolder makes the folder's own object.
func (c *Cache) oweFolder(prefix string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.folders[prefix] != nil {
		return nil
	}
	if c.gone[prefix] != nil && c.out.CancelRemove(prefix) {
		delete(c.gone, prefix) // it is still there
		c.names.PutMarker(prefix)
		return nil
	}
	it, err := c.out.CreateFolder(prefix)
	if err != nil {
		return err
	}
	delete(c.gone, prefix)
	c.folders[prefix] = it
	it.Release()
	return nil
}

// keepFolder makes an object for a folder that has just lost its last file: S3
// would forget it, as no local disk does. It asks S3 nothing.
func (c *Cache) keepFolder(prefix string) {
	if _, elem := splitKey(prefix); prefix == elem {
		return // the exchange's own folders are always shown
	}
	empty, marker, known := c.names.Empty(prefix)
	if !known || !empty || marker {
		return
	}
	c.mu.Lock()
	owed := c.files.anyOwedUnder(prefix) || c.folders[prefix] != nil
	c.mu.Unlock()
	if owed || c.denies(prefix, true)&writeBits != 0 {
		return
	}
	if err := c.oweFolder(prefix); err != nil {
		c.log.Warn("an empty folder will vanish", "key", prefix, "err", err)
	}
}

// Rmdir removes the empty folder at path.
func (c *Cache) Rmdir(ctx context.Context, path string) error {
	p, err := c.locate(ctx, path)
	if err != nil {
		return err
	}
	if err := c.checkWrite(p.prefix, ""); err != nil {
		return err
	}
	a, err := c.stat(ctx, p, -1)
	if err != nil {
		return err
	}
	if !a.Dir {
		return ErrNotDir
	}
	marker, err := c.checkEmpty(ctx, p.dir())
	if err != nil {
		return err
	}
	if marker {
		if err := c.mayDelete(ctx, p.dir()); err != nil {
			return err
		}
	}
	if err := c.forgetFolder(ctx, p.dir()); err != nil {
		return err
	}
	c.mu.Lock()
	c.touchedLocked(p.prefix)
	if marker {
		c.gone[p.dir()] = &removal{obj: s3backend.Object{Key: p.dir()}}
	}
	c.mu.Unlock()
	c.names.RemoveDir(p.dir())
	if marker {
		c.out.Remove(s3backend.Object{Key: p.dir()})
	}
	return nil
}

// forgetFolder ends a folder that is owed.
func (c *Cache) forgetFolder(ctx context.Context, prefix string) error {
	c.mu.Lock()
	it := c.folders[prefix]
	c.mu.Unlock()
	if it == nil {
		return nil
	}
	if err := it.Hold(ctx); err != nil {
		if errors.Is(err, outbox.ErrGone) {
			// It came to be in this moment: now S3 has to be told.
			return c.removeMarker(ctx, prefix)
		}
		return err
	}
	c.mu.Lock()
	delete(c.folders, prefix)
	c.mu.Unlock()
	it.Drop()
	return nil
}

func (c *Cache) removeMarker(ctx context.Context, prefix string) error {
	if err := c.mayDelete(ctx, prefix); err != nil {
		return err
	}
	c.mu.Lock()
	c.gone[prefix] = &removal{obj: s3backend.Object{Key: prefix}}
	c.mu.Unlock()
	c.out.Remove(s3backend.Object{Key: prefix})
	return nil
}

// checkEmpty tells whether a folder is empty, and has an object of its own, by a
// fresh listing: whoever removes a tree has just read it. Its error is ErrNotEmpty
// if it is not. A file that the other party has put there since stays, and the
// folder with it.
func (c *Cache) checkEmpty(ctx context.Context, prefix string) (marker bool, err error) {
	c.mu.Lock()
	owed := c.files.anyOwedUnder(prefix)
	for p := range c.folders {
		owed = owed || p != prefix && len(p) > len(prefix) && p[:len(prefix)] == prefix
	}
	c.mu.Unlock()
	if owed {
		return false, ErrNotEmpty
	}
	l := c.names.List(prefix, fresh)
	for i := 0; ; i++ {
		e, ok, err := l.At(ctx, i)
		if err != nil {
			return false, err
		}
		if !ok {
			return l.HasMarker(ctx)
		}
		c.mu.Lock()
		key := prefix + e.Name
		if e.IsDir() {
			key += "/"
		}
		r := c.gone[key]
		removed := r.hides(e.ETag) || e.IsDir() && r != nil
		c.mu.Unlock()
		if !e.Gone() && !removed {
			return false, ErrNotEmpty
		}
	}
}
