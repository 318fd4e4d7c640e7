package recording

import (
	"context"
	"errors"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/s3share/s3share/cache/receipts"
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
	us        string      // how listings name us, "" if that is not known
	noSharing atomic.Bool // the ACLs of our objects may not be read
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

// SeeAll calls See for each version, for several at a time, and returns what it reports of each.
// After an error, which the other requests would meet as well, no more are made: those are not
// seen.
func (r *Readable) SeeAll(ctx context.Context, versions []receipts.Entry) []bool {
	seen := make([]bool, len(versions))
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(comparers)
	see := func(i int) error {
		ok, err := r.See(gctx, string(versions[i].Key), versions[i].ETag)
		seen[i] = ok && err == nil
		return err
	}
	for i := range versions {
		if gctx.Err() != nil {
			break
		}
		if i == 0 { // if ACLs may not be read, one refusal shows it
			if see(i) != nil {
				break
			}
			continue
		}
		group.Go(func() error { return see(i) })
	}
	_ = group.Wait() // what is seen is seen
	return seen
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
	case r.noSharing.Load():
		return false, nil
	}
	shared, err := r.owners.Shared(ctx, obj)
	if errors.Is(err, s3backend.Denied) {
		r.noSharing.Store(true)
	}
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
