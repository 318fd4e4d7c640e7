package gateway

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/s3response"

	"github.com/s3share/s3share/integration/localbucket/internal/objacl"
)

// CreateMultipartUpload implements backend.Backend. The object's owner is who
// begins the upload, and its ACL is said here: the request that completes it
// has none.
func (l *layer) CreateMultipartUpload(ctx context.Context,
	in s3response.CreateMultipartUploadInput) (s3response.InitiateMultipartUploadResult, error) {
	acl, err := l.acl(ctx, *in.Bucket).New()
	if err != nil {
		return s3response.InitiateMultipartUploadResult{}, aclError(err)
	}
	in.Metadata = l.stored(ctx, withACL(in.Metadata, acl))
	in.Metadata[metaInitiator] = l.caller(ctx)
	in.Metadata[metaCanned] = header(ctx, "X-Amz-Acl")
	return l.Backend.CreateMultipartUpload(ctx, in)
}

// UploadPartCopy implements backend.Backend.
func (l *layer) UploadPartCopy(ctx context.Context,
	in *s3.UploadPartCopyInput) (s3response.CopyPartResult, error) {
	bucketName, key, _, err := backend.ParseCopySource(*in.CopySource)
	if err != nil {
		return s3response.CopyPartResult{}, err
	}
	if err := l.reach(ctx, bucketName, key, objacl.Read); err != nil {
		return s3response.CopyPartResult{}, err
	}
	if err := l.readable(ctx, bucketName, key, true, true); err != nil {
		return s3response.CopyPartResult{}, err
	}
	return l.Backend.UploadPartCopy(ctx, in)
}

// ListParts implements backend.Backend.
func (l *layer) ListParts(ctx context.Context,
	in *s3.ListPartsInput) (s3response.ListPartsResult, error) {
	out, err := l.Backend.ListParts(ctx, in)
	if err == nil {
		who := l.store.initiator(*in.Bucket, *in.Key, *in.UploadId)
		out.Initiator.ID, out.Owner.ID = who, who
	}
	return out, err
}

// ListMultipartUploads implements backend.Backend.
func (l *layer) ListMultipartUploads(ctx context.Context,
	in *s3.ListMultipartUploadsInput) (s3response.ListMultipartUploadsResult, error) {
	out, err := l.Backend.ListMultipartUploads(ctx, in)
	for i, u := range out.Uploads {
		who := l.store.initiator(*in.Bucket, u.Key, u.UploadID)
		out.Uploads[i].Initiator.ID, out.Uploads[i].Owner.ID = who, who
	}
	return out, err
}
