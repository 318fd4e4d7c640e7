package cache

import (
	"context"
	"errors"
	"time"

	"github.com/s3share/s3share/cache/grants"
	"github.com/s3share/s3share/cache/keyname"
	"github.com/s3share/s3share/cache/meta"
	"github.com/s3share/s3share/s3backend"
)

// S3 has no directories. There is one here
//
//   - for an object "name/", its marker, in S3 or pending in the outbox;
//   - for anything below it, in S3 or pending in the outbox;
//   - where it has lost the last of these here, since it would stay on a local disk:
//     then it gets a marker, see keepDir.
//
// What was removed here does not count: see removedDirs.

// dirExists reports whether S3 lists anything in a directory that was not removed here.
func (c *Cache) dirExists(ctx context.Context, prefix string) bool {
	there, known := c.removed.exists(prefix)
	if known {
		return there
	}
	entry, marker, err := c.dirContents(ctx, prefix, "", -1)
	return err == nil && (entry || marker)
}

// dirContents reports whether S3 has the marker of a directory, and whether it has an entry of it
// that is shown, other than the one named but. It lists the directory again if the listing is
// older than maxAge; while S3 cannot be asked, the last one counts.
func (c *Cache) dirContents(ctx context.Context, prefix, but string,
	maxAge time.Duration) (entry, marker bool, err error) {
	l := c.names.List(prefix, maxAge)
	_, err = l.HasMarker(ctx)
	if errors.Is(err, s3backend.ErrOffline) {
		if last := c.names.LastListing(prefix); last != nil {
			l = last
			_, err = l.HasMarker(ctx)
		}
	}
	if err != nil {
		return false, false, err
	}
	if _, removing := c.out.Removing(prefix); removing {
		marker = false
	} else if marker, err = l.HasMarker(ctx); err != nil { // it may have been removed since
		return false, false, err
	}
	for i := 0; ; i++ {
		e, ok, err := l.At(ctx, i)
		if err != nil || !ok {
			return false, marker, err
		}
		name := e.Name
		if e.IsDir() {
			name += "/"
		}
		if e.Gone() || name == but || !c.showsEntry(ctx, prefix, e) {
			continue
		}
		// What was being removed then may be gone by now, and hidden no more.
		if now, _, err := l.At(ctx, i); err != nil || !now.Gone() {
			return true, marker, err
		}
	}
}

// showsEntry reports whether what S3 lists in a directory is shown.
func (c *Cache) showsEntry(ctx context.Context, prefix string, e meta.Entry) bool {
	if e.IsDir() {
		return c.dirExists(ctx, prefix+e.Name+"/")
	}
	return !c.out.Hides(e.Object(prefix))
}

// pendingBelow reports whether anything below a directory is pending, except at the key but
// and below it.
func (c *Cache) pendingBelow(prefix, but string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pendingBelowLocked(prefix, but)
}

func (c *Cache) pendingBelowLocked(prefix, but string) bool {
	return c.markers.pendingBelow(prefix, but) || c.files.anyPendingUnder(prefix, but)
}

// checkEmpty reports whether an empty directory has a marker, by a fresh listing:
// whoever removes a tree has just read it. Its error is ErrNotEmpty where it is not
// empty. A file that the other party has put there since stays, and the directory with
// it.
func (c *Cache) checkEmpty(ctx context.Context, prefix string) (marker bool, err error) {
	if c.pendingBelow(prefix, "") {
		return false, ErrNotEmpty
	}
	entry, marker, err := c.dirContents(ctx, prefix, "", fresh)
	if err == nil && entry {
		err = ErrNotEmpty
	}
	return marker, err
}

// keepDir makes a marker for the directory with this prefix if the element elem, which
// is about to go, is the last in it: S3 would forget the directory, as no local disk
// does. It seldom has to ask S3 for that.
func (c *Cache) keepDir(ctx context.Context, prefix, elem string) {
	if _, name := keyname.Split(prefix); prefix == name {
		return // the exchange's own folders are always shown
	}
	if c.markers.pendingAt(prefix) || c.pendingBelow(prefix, prefix+elem) ||
		c.grants.Denied(prefix, true)&grants.WriteBits != 0 {
		return
	}
	if n, marker, known := c.names.Count(prefix); known &&
		(marker || n > c.out.RemovingBelow(prefix)+1) {
		return
	}
	entry, marker, err := c.dirContents(ctx, prefix, elem, -1)
	if err == nil && !entry && !marker {
		err = c.markers.createKept(prefix)
	}
	if err != nil {
		c.log.Warn("a directory may vanish with the last file in it", "key", prefix, "err", err)
	}
}

// Mkdir makes a directory at path, which stays when it is empty. With a nil perm it has
// the mount's default.
func (c *Cache) Mkdir(ctx context.Context, path string, perm *uint32) error {
	p, err := c.paths.locateNew(ctx, path)
	if err != nil {
		return err
	}
	if err := c.paths.checkWrite(p.prefix, p.elem+"/"); err != nil {
		return err
	}
	if _, err := c.stat(ctx, p, -1); err == nil {
		return ErrExist
	} else if !errors.Is(err, s3backend.NotExist) {
		return err
	}
	if err := p.checkNew(); err != nil {
		return err
	}
	if err := c.grants.CanPut(ctx, p.dir()); err != nil {
		return err
	}
	c.dirs.made(p.dir(), perm)
	if err := c.markers.create(p.dir()); err != nil {
		return err
	}
	c.markers.dropKept(p.dir())
	c.names.NewDir(p.dir())
	c.dirs.touched(p.prefix)
	return nil
}

// Rmdir removes the empty directory at path.
func (c *Cache) Rmdir(ctx context.Context, path string) error {
	p, a, err := c.locateToChange(ctx, path)
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
		if err := c.grants.CanDelete(ctx, p.dir()); err != nil {
			return err
		}
	}
	c.keepDir(ctx, p.prefix, p.elem+"/")
	if err := c.markers.remove(ctx, p.dir(), marker, c.out.Remove); err != nil {
		return err
	}
	c.dirs.forget(p.dir())
	c.removed.add(p.dir())
	c.names.RemoveDir(p.dir())
	c.removed.endIfDone(p.dir())
	c.dirs.touched(p.prefix)
	return nil
}
