package cache

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"

	"github.com/s3share/s3share/cache/content"
	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/s3backend"
)

var errBehindEnd error = unix.ENXIO

// OpenMode says what a file is opened for.
type OpenMode struct {
	Write, Append, Truncate bool
	Opener                  outbox.Writer // who opens it; nil if that is not known
	// MayFetch reports whether so many bytes may be fetched for a read of the handle; else the
	// error of the read is ErrSpared. Nothing is fetched ahead. nil stands for no limit.
	MayFetch func(bytes int64) bool
}

// ErrSpared is the error of a read that OpenMode.MayFetch has refused.
var ErrSpared = content.ErrSpared

// Open opens the file at path, in the version that S3 holds now, or in what is
// pending. Its error is NotExist, ErrIsDir, or why S3 did not answer.
func (c *Cache) Open(ctx context.Context, path string, mode OpenMode) (*Handle, error) {
	p, err := c.paths.locate(ctx, path)
	if err != nil {
		return nil, err
	}
	if mode.Write {
		// The name is not checked: what is there already may have a long one.
		if err := c.paths.checkWrite(p.prefix, ""); err != nil {
			return nil, err
		}
	}
	maxAge := fresh
	if !mode.Write && mode.MayFetch == nil {
		maxAge = -1 // the answer with the first of its bytes validates the version
	}
	for {
		a, err := c.stat(ctx, p, maxAge)
		if err != nil {
			return nil, err
		}
		if a.Dir {
			return nil, ErrIsDir
		}
		if mode.Write {
			if err := c.grants.CanPut(ctx, p.key()); err != nil {
				return nil, err
			}
		}
		h, err := c.openFile(p.key(), a, mode)
		if errors.Is(err, outbox.ErrGone) {
			continue // delivered between the two
		}
		if err != nil {
			return nil, err
		}
		if !mode.Write && mode.MayFetch == nil && a.File == nil {
			c.readAhead(p, a.Size)
		}
		if maxAge != fresh {
			switch ok, err := c.revalidate(ctx, p, h.f); {
			case err != nil:
				h.Release()
				return nil, err
			case !ok:
				h.Release()
				maxAge = fresh
				continue
			}
		}
		if !mode.Truncate {
			return h, nil
		}
		if err := h.Truncate(ctx, 0); err != nil {
			h.Release()
			return nil, err
		}
		return h, nil
	}
}

// revalidate reports whether f, which is open, is what S3 holds at the location p, by an
// answer that is fresh. It asks for no more than the bytes that reading f begins
// with; false means that S3 has to be asked for the name.
func (c *Cache) revalidate(ctx context.Context, p location, f *File) (bool, error) {
	c.mu.Lock()
	it, r, etag := f.item, f.reader, f.obj.ETag
	c.mu.Unlock()
	if it != nil {
		return true, nil // nobody knows better
	}
	if found, known := c.names.Known(p.prefix, p.elem, fresh); known {
		return found.IsFile && found.File.ETag == etag, nil
	}
	if r == nil {
		return false, nil
	}
	ok, err := r.Revalidate(ctx, fresh)
	switch {
	case errors.Is(err, s3backend.Stale), errors.Is(err, s3backend.NotExist),
		errors.Is(err, content.ErrClosed):
		return false, nil // replaced, here or by the other party
	}
	return ok, err
}

// openFile opens the file that a describes.
func (c *Cache) openFile(key string, a Attr, mode OpenMode) (*Handle, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.files.get(key)
	if a.File != nil && (f != a.File || f.item == nil && f.obj.ETag != a.ETag) {
		return nil, outbox.ErrGone // delivered or closed since: a is out of date
	}
	if f == nil || f.item == nil && f.obj.ETag != a.ETag {
		// New here, or the other party replaced it: who has it open goes on with
		// the version that was opened.
		f = c.fileOfLocked(key, a)
		c.files.put(f)
	}
	if err := f.openLocked(mode.Write); err != nil {
		return nil, err
	}
	return &Handle{f: f, write: mode.Write, append: mode.Append, opener: mode.Opener,
		mayFetch: mode.MayFetch}, nil
}

// Reopen opens a file that may have no name any more, as by /proc/PID/fd.
func (f *File) Reopen(ctx context.Context, mode OpenMode) (*Handle, error) {
	f.c.mu.Lock()
	if f.handles == 0 {
		f.c.mu.Unlock()
		return nil, errNotExist(f.key)
	}
	err := f.openLocked(mode.Write)
	f.c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	h := &Handle{f: f, write: mode.Write, append: mode.Append, opener: mode.Opener,
		mayFetch: mode.MayFetch}
	if mode.Truncate {
		if err := h.Truncate(ctx, 0); err != nil {
			h.Release()
			return nil, err
		}
	}
	return h, nil
}

// fileOf returns the open file with the version in a, or a new one.
func (c *Cache) fileOf(key string, a Attr) *File {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.files.get(key); f != nil && f.item == nil && f.obj.ETag == a.ETag {
		return f
	}
	return c.fileOfLocked(key, a)
}

func (c *Cache) fileOfLocked(key string, a Attr) *File {
	f := c.newFileLocked(key)
	f.obj = s3backend.Object{Key: key, Size: a.Size, ETag: a.ETag,
		Modified: a.Mtime, Class: a.Class}
	f.obj.Header = c.names.Header(key, a.ETag)
	return f
}

func (c *Cache) newFileLocked(key string) *File {
	c.nextID++
	return &File{c: c, id: c.nextID, key: key}
}

// Create makes a file at path, which was shown to be free, and opens it for writing.
// It is at S3 when it was closed. Where the name is taken by then, the error is
// ErrExist with exclusive set, and else what is there is opened. What the other party
// has put there is not truncated, though: it stays, and the file goes beside it. With a
// nil perm a new file has the mount's default.
func (c *Cache) Create(ctx context.Context, path string, perm *uint32, exclusive bool,
	mode OpenMode) (*Handle, error) {
	p, err := c.paths.locateNew(ctx, path)
	if err != nil {
		return nil, err
	}
	if err := c.paths.checkWrite(p.prefix, p.elem); err != nil {
		return nil, err
	}
	mode.Write = true
	// In the end, the condition of the commit protects the other party's version.
	a, err := c.stat(ctx, p, -1)
	switch {
	case err == nil && exclusive:
		return nil, ErrExist
	case err == nil && a.Dir:
		return nil, ErrIsDir
	case err == nil && mode.Truncate && c.changedSinceShown(a, ShownVersion{}):
	case err == nil:
		return c.Open(ctx, path, mode)
	case !errors.Is(err, s3backend.NotExist):
		return nil, err
	case p.checkNew() != nil:
		return nil, p.checkNew()
	}
	if err := c.grants.CanPut(ctx, p.key()); err != nil {
		return nil, err
	}
	c.mu.Lock()
	f := c.newFileLocked(p.key())
	many := c.exclusives.manyLocked(mode.Opener)
	c.mu.Unlock()
	if exclusive && !many {
		switch taken, err := c.takenByOther(ctx, p); {
		case err != nil:
			return nil, err
		case taken:
			return nil, ErrExist
		}
	}
	it, err := f.newItem(s3backend.Object{}, s3backend.Object{}, perm)
	if err != nil {
		return nil, err
	}
	c.markers.dropKept(p.key())
	it.BegunBy(mode.Opener)
	c.dirs.touched(p.prefix)
	c.mu.Lock()
	defer c.mu.Unlock()
	if exclusive {
		c.exclusives.createdLocked(mode.Opener)
	}
	f.handles, f.writers, f.writing = 1, 1, 1
	return &Handle{f: f, write: true, append: mode.Append, opener: mode.Opener}, nil
}
