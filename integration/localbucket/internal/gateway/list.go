package gateway

import (
	"context"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/valyala/fasthttp"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"
)

// ListObjects implements backend.Backend.
func (l *layer) ListObjects(ctx context.Context,
	in *s3.ListObjectsInput) (s3response.ListObjectsResult, error) {
	out, err := l.Backend.ListObjects(ctx, in)
	out.Contents = complete(out.Contents)
	l.showOwners(verdictOf(ctx), *in.Bucket, out.Contents)
	return out, err
}

// ListObjectsV2 implements backend.Backend.
func (l *layer) ListObjectsV2(ctx context.Context,
	in *s3.ListObjectsV2Input) (s3response.ListObjectsV2Result, error) {
	// The backend's token is a key, which XML may not hold.
	if in.ContinuationToken != nil {
		token, err := url.QueryUnescape(*in.ContinuationToken)
		if err != nil {
			return s3response.ListObjectsV2Result{}, s3err.GetAPIError(s3err.ErrInvalidRequest)
		}
		in.ContinuationToken = &token
	}
	out, err := l.Backend.ListObjectsV2(ctx, in)
	out.Contents = complete(out.Contents)
	l.showOwners(verdictOf(ctx), *in.Bucket, out.Contents)
	out.ContinuationToken, out.NextContinuationToken = encoded(out.ContinuationToken),
		encoded(out.NextContinuationToken)
	if asksForEncoding(ctx) {
		encodeKeys(&out)
	}
	return out, err
}

// asksForEncoding reports whether a request wants keys in the form of URLs, which the
// gateway's controllers do not pass on.
func asksForEncoding(ctx context.Context) bool {
	r, ok := ctx.(interface{ QueryArgs() *fasthttp.Args })
	return ok && string(r.QueryArgs().Peek("encoding-type")) == string(types.EncodingTypeUrl)
}

// encodeKeys writes all that is a key, or part of one, as URLs have it.
// Source: Amazon S3 API Reference, ListObjectsV2, "EncodingType".
func encodeKeys(out *s3response.ListObjectsV2Result) {
	out.EncodingType = types.EncodingTypeUrl
	out.Prefix, out.StartAfter, out.Delimiter = encoded(out.Prefix),
		encoded(out.StartAfter), encoded(out.Delimiter)
	for i := range out.Contents {
		out.Contents[i].Key = encoded(out.Contents[i].Key)
	}
	for i := range out.CommonPrefixes {
		out.CommonPrefixes[i].Prefix = encoded(out.CommonPrefixes[i].Prefix)
	}
}

func encoded(s *string) *string {
	if s == nil {
		return nil
	}
	e := strings.ReplaceAll(url.QueryEscape(*s), "%2F", "/")
	return &e
}

// temporary matches the name under which the backend brings the new version of an
// object into its directory, for a moment before it renames it over the old one.
var temporary = regexp.MustCompile(`(^|/)\.[^/]+\.sgwtmp\.\d+$`)

// complete is the list without what is no object yet.
func complete(objects []s3response.Object) []s3response.Object {
	return slices.DeleteFunc(objects,
		func(o s3response.Object) bool { return o.Key != nil && temporary.MatchString(*o.Key) })
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
