package s3backend

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// Ownership finds out whose the bucket and its objects are, by the ACLs and otherwise, and gives
// the bucket's owner objects of ours.
type Ownership struct{ c *Client }

// Ownership returns what finds out who owns the bucket and what is in it.
func (c *Client) Ownership() Ownership { return Ownership{c} }

// GrantOwner gives the bucket's owner full control of an object of ours that was
// uploaded without the ACL. Its error is ErrUnknown, and nothing is sent, where the
// server is not known to have the request: another might take it for an upload.
func (o Ownership) GrantOwner(ctx context.Context, key string) error {
	if o.c.notAWS && !o.c.isVersity(ctx) && !o.c.isCeph(ctx) {
		return ErrUnknown
	}
	return o.putACL(ctx, key)
}

// Rewrite copies an object onto itself, on the server, so that it carries the ACL:
// the bytes, the metadata, the tags and the storage class stay. Its error is Stale where the object
// has changed.
func (c *Client) Rewrite(ctx context.Context, obj Object) (Object, error) {
	obj.Header = nil // as it is now
	h, err := source{c, obj}.header(ctx)
	if err != nil {
		return Object{}, err
	}
	return c.Copy(ctx, obj, obj.Key, h, Condition{IfMatch: obj.ETag})
}

// OwnerOf returns the canonical ID of an object's owner, by its ACL.
func (o Ownership) OwnerOf(ctx context.Context, key string) (string, error) {
	out, err := o.objectACL(ctx, key)
	if err != nil {
		return "", err
	}
	return val(out.Owner.ID), nil
}

func (o Ownership) objectACL(ctx context.Context, key string) (*s3.GetObjectAclOutput, error) {
	const op = "GetObjectAcl"
	out, err := o.c.s3.GetObjectAcl(ctx, &s3.GetObjectAclInput{Bucket: &o.c.bucket, Key: &key})
	if err != nil {
		return nil, wrapError(ctx, op, key, err)
	}
	if out.Owner == nil || val(out.Owner.ID) == "" {
		return nil, errors.Join(ErrUnknown, protocolError(op, key, "S3 told no owner"))
	}
	return out, nil
}

// Shared reports whether the ACL of an object of ours lets somebody else read it: the
// bucket's owner, for whom the ACL is made. It does not find out whose the object is: a policy
// may let the ACLs of others be read.
func (o Ownership) Shared(ctx context.Context, obj Object) (bool, error) {
	out, err := o.objectACL(ctx, obj.Key)
	if err != nil {
		return false, err
	}
	for _, g := range out.Grants {
		if g.Grantee == nil || val(g.Grantee.ID) == val(out.Owner.ID) {
			continue
		}
		if g.Permission == types.PermissionFullControl || g.Permission == types.PermissionRead {
			return true, nil
		}
	}
	return false, nil
}

// BucketOwner returns the canonical ID of the bucket's owner. A caller that is allowed to ask is
// not necessarily the owner: see IsOwner.
func (o Ownership) BucketOwner(ctx context.Context) (string, error) {
	const op = "GetBucketAcl"
	out, err := o.c.s3.GetBucketAcl(ctx, &s3.GetBucketAclInput{Bucket: &o.c.bucket})
	if err != nil {
		return "", wrapError(ctx, op, "", err)
	}
	if out.Owner == nil {
		return "", ErrUnknown
	}
	return val(out.Owner.ID), nil
}

// IsOwner reports whether the bucket is that of the account whose credentials these are.
// The expected owner shows it; else AWS and versitygw say so themselves, when they
// are asked for a bucket of that account and no other.
func (o Ownership) IsOwner(ctx context.Context) (bool, error) {
	if known := o.c.isOwner.Load(); known != nil {
		return *known, nil
	}
	is, err := o.findOwner(ctx)
	if err == nil {
		o.c.isOwner.Store(&is)
	}
	return is, err
}

func (o Ownership) findOwner(ctx context.Context) (bool, error) {
	who, err := o.c.Identity(ctx)
	if err != nil {
		return false, err
	}
	if who.Account == "" {
		return false, ErrUnknown
	}
	if expected := *o.c.owner.Load(); expected != "" && IsAccountID(expected) &&
		IsAccountID(who.Account) {
		return expected == who.Account, nil
	}
	if o.c.notAWS && !o.c.isVersity(ctx) {
		owner, err := o.BucketOwner(ctx)
		if errors.Is(err, Denied) {
			return false, nil
		}
		return owner == who.Account, err
	}
	_, err = o.c.s3.HeadBucket(ctx,
		&s3.HeadBucketInput{Bucket: &o.c.bucket, ExpectedBucketOwner: &who.Account}, withoutOwner)
	if err = wrapError(ctx, "HeadBucket", "", err); errors.Is(err, Denied) {
		return false, nil
	}
	if err == nil {
		o.c.confirm(who.Account)
	}
	return err == nil, err
}

// CanonicalID is how listings and ACLs name the account whose credentials these are. It
// takes the permission to list the account's own buckets.
func (o Ownership) CanonicalID(ctx context.Context) (string, error) {
	const op = "ListBuckets"
	one := int32(1)
	out, err := o.c.s3.ListBuckets(ctx, &s3.ListBucketsInput{MaxBuckets: &one})
	if err != nil {
		return "", wrapError(ctx, op, "", err)
	}
	if out.Owner == nil || val(out.Owner.ID) == "" {
		return "", ErrUnknown
	}
	return val(out.Owner.ID), nil
}

func (o Ownership) putACL(ctx context.Context, key string) error {
	const op = "PutObjectAcl"
	_, err := o.c.s3.PutObjectAcl(ctx, &s3.PutObjectAclInput{
		Bucket: &o.c.bucket, Key: &key, ACL: ownerACL,
	})
	return wrapError(ctx, op, key, err)
}
