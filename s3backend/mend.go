package s3backend

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// GrantOwner gives the bucket's owner full control of an object of ours that was
// uploaded without the ACL. Its error is ErrUntold, and nothing is sent, where the
// server is not known to have the request: another might take it for an upload.
func (c *Client) GrantOwner(ctx context.Context, key string) error {
	if c.custom && !c.isVersity(ctx) && !c.isCeph(ctx) {
		return ErrUntold
	}
	return c.putACL(ctx, key)
}

// Rewrite copies an object onto itself, on the server, so that it carries the ACL:
// the bytes, the metadata and the tags stay. Its error is Stale where the object has
// changed. A storage class other than the standard one would be lost, so the error of
// such an object is ErrUntold, and nothing is sent.
func (c *Client) Rewrite(ctx context.Context, obj Object) (Object, error) {
	if obj.Class != "" && obj.Class != string(types.ObjectStorageClassStandard) {
		return Object{}, ErrUntold
	}
	obj.Header = nil // as it is now
	h, err := c.headerOf(ctx, obj)
	if err != nil {
		return Object{}, err
	}
	return c.Copy(ctx, obj, obj.Key, h, Condition{IfMatch: obj.ETag})
}

// Shared tells of an object of ours whether its ACL lets somebody else read it: the
// bucket's owner, for whom the ACL is made. The error is Denied where the object is
// not ours.
func (c *Client) Shared(ctx context.Context, obj Object) (bool, error) {
	const op = "GetObjectAcl"
	out, err := c.s3.GetObjectAcl(ctx, &s3.GetObjectAclInput{Bucket: &c.bucket, Key: &obj.Key})
	if err != nil {
		return false, fail(ctx, op, obj.Key, err)
	}
	if out.Owner == nil || val(out.Owner.ID) == "" {
		return false, errors.Join(ErrUntold, broken(op, obj.Key, "S3 told no owner"))
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

// BucketOwner is the canonical id of the bucket's owner, which listings name objects'
// owners by. Nobody else may ask: the error is Denied.
func (c *Client) BucketOwner(ctx context.Context) (string, error) {
	const op = "GetBucketAcl"
	out, err := c.s3.GetBucketAcl(ctx, &s3.GetBucketAclInput{Bucket: &c.bucket})
	if err != nil {
		return "", fail(ctx, op, "", err)
	}
	if out.Owner == nil {
		return "", ErrUntold
	}
	return val(out.Owner.ID), nil
}
