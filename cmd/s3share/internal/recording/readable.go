package recording

import (
	"context"
	"errors"

	"github.com/s3share/s3share/s3backend"
)

// Owners are the requests that show whose a bucket and its objects are; s3backend.Ownership
// implements it.
type Owners interface {
	IsOwner(ctx context.Context) (bool, error)
	CanonicalID(ctx context.Context) (string, error)
	Shared(ctx context.Context, obj s3backend.Object) (bool, error)
}

// Readable finds out whether the bucket's owner can read objects.
type Readable struct {
	owners    Owners
	find      s3backend.Finder
	owner     bool
	us        string // how listings name us, "" if that is not known
	noSharing bool   // the ACLs of our objects may not be read
}

// NewReadable returns a Readable. An error is that nothing can be found out.
func NewReadable(ctx context.Context, owners Owners, find s3backend.Finder) (*Readable, error) {
	r := &Readable{owners: owners, find: find}
	var err error
	if r.owner, err = owners.IsOwner(ctx); err != nil {
		return nil, err
	}
	if !r.owner {
		r.us, _ = owners.CanonicalID(ctx) // else the ACLs show it
	}
	return r, nil
}

// See reports whether the bucket's owner is seen to be able to read a version. If not, that need
// not mean that he cannot. The owner sees it by a HEAD, which takes s3:GetObject. Another account
// sees it by the object's ACL, or because the bucket's owner owns what this account has uploaded.
func (r *Readable) See(ctx context.Context, key, etag string) (bool, error) {
	if r.owner {
		obj, err := r.find.Head(ctx, key)
		return err == nil && obj.ETag == etag, unlessRefused(err)
	}
	page, err := r.find.List(ctx, s3backend.ListInput{Prefix: key, Max: 1, Owner: true})
	if err != nil {
		return false, unlessRefused(err)
	}
	obj, ok := page.Exact(key)
	switch {
	case !ok || obj.ETag != etag:
		return false, nil
	case r.us != "" && obj.Owner != "" && obj.Owner != r.us:
		return true, nil
	case r.noSharing:
		return false, nil
	}
	shared, err := r.owners.Shared(ctx, obj)
	r.noSharing = errors.Is(err, s3backend.Denied)
	return shared && err == nil, unlessRefused(err)
}

// unlessRefused is the error of a request that others would meet as well; nil if it was refused,
// or the object is not there.
func unlessRefused(err error) error {
	for _, kind := range []error{s3backend.Denied, s3backend.NotExist, s3backend.ErrUnknown} {
		if errors.Is(err, kind) {
			return nil
		}
	}
	return err
}
