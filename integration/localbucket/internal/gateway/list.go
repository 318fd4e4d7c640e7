package gateway

import (
	"context"
	"regexp"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/s3response"
)

// ListObjects implements backend.Backend.
func (l *layer) ListObjects(ctx context.Context, in *s3.ListObjectsInput) (s3response.ListObjectsResult, error) {
	out, err := l.Backend.ListObjects(ctx, in)
	out.Contents = complete(out.Contents)
	l.showOwners(verdictOf(ctx), *in.Bucket, out.Contents)
	return out, err
}

// ListObjectsV2 implements backend.Backend.
func (l *layer) ListObjectsV2(ctx context.Context, in *s3.ListObjectsV2Input) (s3response.ListObjectsV2Result, error) {
	out, err := l.Backend.ListObjectsV2(ctx, in)
	out.Contents = complete(out.Contents)
	l.showOwners(verdictOf(ctx), *in.Bucket, out.Contents)
	return out, err
}

// temporary matches the name under which the backend brings the new version of an
// object into its directory, for a moment before it renames it over the old one.
var temporary = regexp.MustCompile(`(^|/)\.[^/]+\.sgwtmp\.\d+$`)

// complete is the list without what is no object yet.
func complete(objects []s3response.Object) []s3response.Object {
	return slices.DeleteFunc(objects, func(o s3response.Object) bool { return o.Key != nil && temporary.MatchString(*o.Key) })
}

// showOwners puts each object's owner where the backend, asked for owners, put
// the bucket's, and under the rules of AWS its storage class.
func (l *layer) showOwners(v *verdict, bucketName string, objects []s3response.Object) {
	for i, o := range objects {
		if v != nil && o.Key != nil {
			objects[i].StorageClass = types.ObjectStorageClass(l.class(bucketName, *o.Key))
		}
		if o.Owner == nil || o.Key == nil {
			continue
		}
		if acl, ok := l.objectACL(bucketName, *o.Key); ok {
			objects[i].Owner = &types.Owner{ID: &acl.Owner}
		}
	}
}
