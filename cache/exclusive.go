package cache

import (
	"context"
	"errors"
	"time"

	"github.com/s3share/s3share/cache/keyname"
	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/s3backend"
)

// What is known of a name is up to a second old, but who creates a file with O_EXCL
// asks whether the name is free now: as a lock, mostly. One HeadObject decides. Where
// there is none, the condition of the commit still keeps both files.

// manyCreated is how many files a program creates with O_EXCL one after the other, each
// within fresh of the one before, until what was known when it looked the name up
// counts: cp and tar create each file so, and a request for each would take as long as
// all the rest.
const manyCreated = 16

// exclusives is the program that creates files with O_EXCL one after the other. It is
// guarded by Cache.mu.
type exclusives struct {
	opener outbox.Writer
	n      int
	last   time.Time
}

func (e *exclusives) manyLocked(opener outbox.Writer) bool {
	return e.opener == opener && e.n >= manyCreated && time.Since(e.last) < fresh
}

// createdLocked notes that a file was created.
func (e *exclusives) createdLocked(opener outbox.Writer) {
	if e.opener != opener || time.Since(e.last) >= fresh {
		*e = exclusives{opener: opener}
	}
	e.n++
	e.last = time.Now()
}

// takenByOther reports whether S3 holds a file at a location that was free when it was looked up:
// the other party has put it there since.
func (c *Cache) takenByOther(ctx context.Context, p location) (bool, error) {
	key := p.key()
	ours := c.markers.pendingAt(p.prefix) // S3 does not even have the directory yet
	if ours || c.out.Private(key) {
		return false, nil
	}
	removing := c.removing(p)
	obj, err := c.headOrList(ctx, p)
	switch {
	case errors.Is(err, s3backend.NotExist), errors.Is(err, s3backend.Denied),
		errors.Is(err, s3backend.ErrOffline):
		return false, nil
	case err != nil:
		return false, err
	}
	obj.Key = key
	if c.out.Hides(obj) || removing && !c.removing(p) {
		return false, nil // it was removed here
	}
	c.attrs.learn(obj)
	return true, nil
}

// headOrList asks S3 what it holds at a location: by HeadObject, or by a listing where that
// is refused.
func (c *Cache) headOrList(ctx context.Context, p location) (s3backend.Object, error) {
	if c.grants.ReadDenied(keyname.Folder(p.prefix)) {
		return s3backend.ListExact(ctx, c.bucket, p.key())
	}
	return s3backend.HeadOrList(ctx, c.bucket, p.key())
}
