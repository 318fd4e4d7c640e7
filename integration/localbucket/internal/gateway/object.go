package gateway

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/versity/versitygw/s3response"

	"github.com/s3share/s3share/integration/localbucket/internal/objacl"
)

// PutObject implements backend.Backend.
func (l *layer) PutObject(ctx context.Context,
	in s3response.PutObjectInput) (s3response.PutObjectOutput, error) {
	acl, err := l.acl(ctx, *in.Bucket).New()
	if err != nil {
		return s3response.PutObjectOutput{}, aclError(err)
	}
	in.Metadata = l.stored(ctx, withACL(in.Metadata, acl))
	return l.Backend.PutObject(ctx, in)
}

// HeadObject implements backend.Backend.
func (l *layer) HeadObject(ctx context.Context,
	in *s3.HeadObjectInput) (*s3.HeadObjectOutput, error) {
	if err := l.reachVersion(ctx, *in.Bucket, *in.Key, value(in.VersionId),
		objacl.Read); err != nil {
		return nil, err
	}
	if err := l.readable(ctx, *in.Bucket, *in.Key, false, false); err != nil {
		return nil, err
	}
	out, err := l.Backend.HeadObject(ctx, in)
	if out != nil {
		out.Metadata = userOnly(out.Metadata)
		out.StorageClass = l.class(*in.Bucket, *in.Key)
	}
	return out, err
}

// GetObject implements backend.Backend.
func (l *layer) GetObject(ctx context.Context, in *s3.GetObjectInput) (*s3.GetObjectOutput, error) {
	if err := l.reachVersion(ctx, *in.Bucket, *in.Key, value(in.VersionId),
		objacl.Read); err != nil {
		return nil, err
	}
	if err := l.readable(ctx, *in.Bucket,
		*in.Key, header(ctx, "X-Amz-Copy-Source") != "", true); err != nil {
		return nil, err
	}
	out, err := l.Backend.GetObject(ctx, in)
	if out != nil {
		out.Metadata = userOnly(out.Metadata)
		out.StorageClass = l.class(*in.Bucket, *in.Key)
	}
	return out, err
}

// GetObjectAttributes implements backend.Backend.
func (l *layer) GetObjectAttributes(ctx context.Context,
	in *s3.GetObjectAttributesInput) (s3response.GetObjectAttributesResponse, error) {
	if err := l.reach(ctx, *in.Bucket, *in.Key, objacl.Read); err != nil {
		return s3response.GetObjectAttributesResponse{}, err
	}
	return l.Backend.GetObjectAttributes(ctx, in)
}

// GetObjectTagging implements backend.Backend.
func (l *layer) GetObjectTagging(ctx context.Context, bucketName,
	key, version string) (map[string]string, error) {
	if err := l.reach(ctx, bucketName, key, objacl.Read); err != nil {
		return nil, err
	}
	return l.Backend.GetObjectTagging(ctx, bucketName, key, version)
}

// PutObjectTagging implements backend.Backend.
func (l *layer) PutObjectTagging(ctx context.Context, bucketName, key, version string,
	tags map[string]string) error {
	if err := l.reach(ctx, bucketName, key, objacl.FullControl); err != nil {
		return err
	}
	return l.Backend.PutObjectTagging(ctx, bucketName, key, version, tags)
}

// DeleteObjectTagging implements backend.Backend.
func (l *layer) DeleteObjectTagging(ctx context.Context, bucketName, key, version string) error {
	if err := l.reach(ctx, bucketName, key, objacl.FullControl); err != nil {
		return err
	}
	return l.Backend.DeleteObjectTagging(ctx, bucketName, key, version)
}
