package s3backend

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/feature/s3/manager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
)

// This is the one file that knows feature/s3/manager. AWS has deprecated its Uploader and
// Downloader; what is used here has no successor.

// Limits of a multipart upload.
const (
	MaxParts    = manager.MaxUploadParts
	MinPartSize = manager.MinUploadPartSize // of every part but the last
)

// UnsignedAnswer is an error of S3, together with what an unsigned request about the bucket
// has found out since: S3 answers anybody whether a bucket exists, and in which region.
type UnsignedAnswer struct {
	Err    error  // why the signed request failed
	Exists bool   // the bucket exists; if false, there is no bucket of this name
	Region string // the bucket's region, "" if the server does not say
}

func (u *UnsignedAnswer) Error() string { return u.Err.Error() }
func (u *UnsignedAnswer) Unwrap() error { return u.Err }

// bucketRegion asks for the bucket's region by an unsigned HeadBucket, sent to the same
// endpoint as every other request. The region is "" if the server does not say. The error
// is NoBucket if no bucket has this name.
func (o *opening) bucketRegion(ctx context.Context) (string, error) {
	region, err := manager.GetBucketRegion(ctx, o.s3, o.bucket, withoutOwner, withoutRecording)
	var notFound manager.BucketNotFound
	if errors.As(err, &notFound) {
		return "", &Error{Op: "HeadBucket", Kind: NoBucket, Err: err}
	}
	return region, wrapError(ctx, "HeadBucket", "", err)
}

// withoutRecording removes the middleware of contact and login from an unsigned request: its reply
// says nothing of the credentials, and must not count as one to a signed request.
func withoutRecording(o *s3.Options) {
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		for _, id := range []string{contactID, loginID} {
			if _, ok := stack.Initialize.Get(id); ok {
				if _, err := stack.Initialize.Remove(id); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// ExplainLogin adds to a BadLogin error of a signed request whether the bucket exists, as
// an [UnsignedAnswer]. Any other error, and one about which the server tells no more, is
// returned as it is.
func (o *opening) ExplainLogin(ctx context.Context, err error) error {
	var refused *Error
	if !errors.As(err, &refused) || refused.Kind != BadLogin || refused.Code() == "" {
		return err
	}
	region, asked := o.bucketRegion(ctx)
	answer := UnsignedAnswer{Err: refused.Err, Region: region}
	switch {
	case errors.Is(asked, NoBucket):
	case asked == nil, o.AWS() && errors.Is(asked, Denied):
		answer.Exists = true
	default: // another server's 403 may be its answer about any name
		return err
	}
	explained := *refused
	explained.Err = &answer
	return &explained
}

// namesAnotherRegion reports whether S3 refused a request because the bucket is in another
// region than the request was signed for.
// Source: Amazon S3 API Reference, "List of error codes".
func namesAnotherRegion(err error) bool {
	switch codeOf(err) {
	case "AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException":
		return true
	}
	return false
}

// RegionError says that the bucket is in another region than was said.
type RegionError struct{ Bucket, Is, Said string }

func (e *RegionError) Error() string {
	return fmt.Sprintf("bucket %q is in region %q, not in %q", e.Bucket, e.Is, e.Said)
}

func regionError(bucket, is, said string) error {
	return &Error{Op: "Open", Kind: Other, Err: &RegionError{bucket, is, said}}
}
