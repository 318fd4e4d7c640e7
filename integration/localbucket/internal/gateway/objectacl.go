package gateway

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/versity/versitygw/s3err"

	"github.com/s3share/s3share/integration/localbucket/internal/awsrules"
	"github.com/s3share/s3share/integration/localbucket/internal/objacl"
)

// aclBody is the value of a request under which the XML of an ACL waits for
// the middleware: the gateway itself writes the SDK's struct, which is no
// document that a client can read.
const aclBody = "object-acl"

// GetObjectAcl implements backend.Backend.
func (l *layer) GetObjectAcl(ctx context.Context,
	in *s3.GetObjectAclInput) (*s3.GetObjectAclOutput, error) {
	acl, ok := l.objectACL(*in.Bucket, *in.Key)
	if !ok {
		return nil, s3err.GetAPIError(s3err.ErrNoSuchKey)
	}
	if err := l.reach(ctx, *in.Bucket, *in.Key, objacl.ReadACP); err != nil {
		return nil, err
	}
	if v := verdictOf(ctx); v != nil && v.rules[awsrules.CanonicalIDs] {
		acl = acl.Named(canonical)
	}
	body, err := acl.XML()
	if err != nil {
		return nil, err
	}
	request(ctx).SetUserValue(aclBody, body)
	return &s3.GetObjectAclOutput{}, nil
}

// PutObjectAcl implements backend.Backend.
func (l *layer) PutObjectAcl(ctx context.Context, in *s3.PutObjectAclInput) error {
	old, ok := l.objectACL(*in.Bucket, *in.Key)
	if !ok {
		return s3err.GetAPIError(s3err.ErrNoSuchKey)
	}
	if err := l.reach(ctx, *in.Bucket, *in.Key, objacl.WriteACP); err != nil {
		return err
	}
	req := l.acl(ctx, *in.Bucket)
	acl, err := req.Replace(old.Owner)
	if body := request(ctx).Request.Body(); err != nil && len(body) > 0 &&
		req.Ownership != objacl.Enforced {
		acl, err = objacl.Parse(body, old.Owner, l.accounts.known)
	}
	if err != nil {
		return aclError(err)
	}
	return l.store.setACL(*in.Bucket, *in.Key, acl)
}
