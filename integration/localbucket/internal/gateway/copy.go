package gateway

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"

	"github.com/s3share/s3share/integration/localbucket/internal/awsrules"
)

// maxCopy is the largest object that one CopyObject takes.
// Source: Amazon S3 API Reference, CopyObject.
const maxCopy int64 = 5 << 30

// CopyObject implements backend.Backend as a read of the source and a put of
// the destination. So the copy, one onto itself too, appears at once with its
// own ACL and time, and conditions on the destination hold, none of which the
// backend's own copy does.
func (l *layer) CopyObject(ctx context.Context,
	in s3response.CopyObjectInput) (s3response.CopyObjectOutput, error) {
	var none s3response.CopyObjectOutput
	srcBucket, srcKey, version, err := backend.ParseCopySource(*in.CopySource)
	if err != nil {
		return none, err
	}
	if want := value(in.ExpectedSourceBucketOwner); want != "" &&
		want != l.store.bucketOwner(srcBucket) {
		return none, s3err.GetAPIError(s3err.ErrAccessDenied)
	}
	same := srcBucket == *in.Bucket && srcKey == *in.Key
	if same && version == "" && in.MetadataDirective != types.MetadataDirectiveReplace {
		return none, s3err.GetAPIError(s3err.ErrInvalidCopyDest)
	}
	src, err := l.GetObject(ctx, &s3.GetObjectInput{
		Bucket: &srcBucket, Key: &srcKey, VersionId: &version, Range: new(string),
		ChecksumMode: types.ChecksumModeEnabled,
	})
	if err != nil {
		return none, err
	}
	if src.Body == nil { // a folder's
		src.Body = http.NoBody
	}
	defer src.Body.Close()
	err = backend.EvaluatePreconditions(value(src.ETag), *src.LastModified, backend.PreConditions{
		IfMatch:       in.CopySourceIfMatch,
		IfNoneMatch:   in.CopySourceIfNoneMatch,
		IfModSince:    in.CopySourceIfModifiedSince,
		IfUnmodeSince: in.CopySourceIfUnmodifiedSince,
	})
	if err != nil {
		return none, err
	}
	if *src.ContentLength > maxCopy {
		return none, s3err.GetCopySourceObjectTooLargeErr(maxCopy)
	}
	put, err := l.copyInput(ctx, in, src)
	if err != nil {
		return none, err
	}
	if id := l.copyAnnotations(ctx, srcBucket, srcKey); id != "" {
		put.Metadata[metaAnnotations] = id
	}
	if in.TaggingDirective != types.TaggingDirectiveReplace {
		tags, err := l.Backend.GetObjectTagging(ctx, srcBucket, srcKey, version)
		if err == nil && len(tags) > 0 {
			encoded := encodeTags(tags)
			put.Tagging = &encoded
		}
	}
	res, err := l.Backend.PutObject(ctx, put)
	if err != nil {
		return none, err
	}
	return l.copyOutput(ctx, put, res, version)
}

// copyInput is the put that makes the copy of src, with the ACL of its own
// that every copy gets.
func (l *layer) copyInput(ctx context.Context, in s3response.CopyObjectInput,
	src *s3.GetObjectOutput) (s3response.PutObjectInput, error) {
	acl, err := l.acl(ctx, *in.Bucket).New()
	if err != nil {
		return s3response.PutObjectInput{}, aclError(err)
	}
	put := s3response.PutObjectInput{
		Bucket: in.Bucket, Key: in.Key, Body: src.Body, ContentLength: src.ContentLength,
		IfMatch: condition(ctx, "If-Match"), IfNoneMatch: condition(ctx, "If-None-Match"),
		ChecksumAlgorithm: in.ChecksumAlgorithm, Tagging: in.Tagging,
		WebsiteRedirectLocation:   in.WebsiteRedirectLocation,
		ObjectLockMode:            in.ObjectLockMode,
		ObjectLockLegalHoldStatus: in.ObjectLockLegalHoldStatus,
		ObjectLockRetainUntilDate: in.ObjectLockRetainUntilDate,
	}
	if put.ChecksumAlgorithm == "" {
		put.ChecksumAlgorithm = algorithm(src)
	}
	metadata := in.Metadata
	if in.MetadataDirective == types.MetadataDirectiveReplace {
		put.ContentType, put.ContentEncoding = in.ContentType, in.ContentEncoding
		put.ContentDisposition, put.ContentLanguage = in.ContentDisposition, in.ContentLanguage
		put.CacheControl, put.Expires = in.CacheControl, in.Expires
	} else {
		metadata = src.Metadata
		put.ContentType, put.ContentEncoding = src.ContentType, src.ContentEncoding
		put.ContentDisposition, put.ContentLanguage = src.ContentDisposition, src.ContentLanguage
		put.CacheControl, put.Expires = src.CacheControl, src.ExpiresString
	}
	put.Metadata = l.stored(ctx, withACL(metadata, acl))
	if v := verdictOf(ctx); v != nil && !v.rules[awsrules.CopyResetsClass] &&
		put.Metadata[metaClass] == "" && src.StorageClass != types.StorageClassStandard {
		put.Metadata[metaClass] = string(src.StorageClass)
	}
	return put, nil
}

func (l *layer) copyOutput(ctx context.Context, put s3response.PutObjectInput,
	res s3response.PutObjectOutput, srcVersion string) (s3response.CopyObjectOutput, error) {
	made, err := l.Backend.HeadObject(ctx, &s3.HeadObjectInput{Bucket: put.Bucket, Key: put.Key})
	if err != nil {
		return s3response.CopyObjectOutput{}, err
	}
	return s3response.CopyObjectOutput{
		CopyObjectResult: &s3response.CopyObjectResult{
			ETag:              &res.ETag,
			LastModified:      made.LastModified,
			ChecksumCRC32:     res.ChecksumCRC32,
			ChecksumCRC32C:    res.ChecksumCRC32C,
			ChecksumCRC64NVME: res.ChecksumCRC64NVME,
			ChecksumSHA1:      res.ChecksumSHA1,
			ChecksumSHA256:    res.ChecksumSHA256,
			ChecksumType:      res.ChecksumType,
		},
		VersionId:           &res.VersionID,
		CopySourceVersionId: &srcVersion,
	}, nil
}

// algorithm is that of the checksum an object was stored with, which its copy
// keeps, "" for the server's own choice.
func algorithm(o *s3.GetObjectOutput) types.ChecksumAlgorithm {
	switch {
	case o.ChecksumCRC32 != nil:
		return types.ChecksumAlgorithmCrc32
	case o.ChecksumCRC32C != nil:
		return types.ChecksumAlgorithmCrc32c
	case o.ChecksumSHA1 != nil:
		return types.ChecksumAlgorithmSha1
	case o.ChecksumSHA256 != nil:
		return types.ChecksumAlgorithmSha256
	}
	return ""
}

func encodeTags(tags map[string]string) string {
	v := url.Values{}
	for name, tag := range tags {
		v.Set(name, tag)
	}
	return v.Encode()
}

// value is what p points to, or the zero value.
func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// condition is the ETag of a condition on the destination, without its quotes
// as the backend compares it, or nil.
func condition(ctx context.Context, name string) *string {
	etag := strings.Trim(header(ctx, name), `"`)
	if etag == "" {
		return nil
	}
	return &etag
}
