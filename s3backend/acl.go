package s3backend

import (
	"context"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// OwnerACL is the canned ACL that every object of ours carries: its owner and the bucket's may do
// all with it.
const OwnerACL = string(types.ObjectCannedACLBucketOwnerFullControl)

const ownerACL = types.ObjectCannedACL(OwnerACL)

// setACLIn is setACL for a request that goes past the SDK.
func setACLIn(h http.Header) { h.Set("X-Amz-Acl", OwnerACL) }

// setACL puts the canned ACL bucket-owner-full-control on every request of the
// SDK's that creates an object. This is the one file: no call sets an ACL itself.
//
// S3 gives an object to the account that uploads it. Unless this ACL came
// along, the bucket's owner sees the key and gets 403 for its bytes. A copy
// does not keep its source's ACL, so it is sent again there. A bucket whose
// ACLs are off ("bucket owner enforced") accepts this one ACL.
func setACL(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("s3share:setACL",
		func(ctx context.Context, in middleware.InitializeInput,
			next middleware.InitializeHandler) (
			middleware.InitializeOutput, middleware.Metadata, error,
		) {
			switch p := in.Parameters.(type) {
			case *s3.PutObjectInput:
				p.ACL = ownerACL
			case *s3.CreateMultipartUploadInput:
				p.ACL = ownerACL
			case *s3.CopyObjectInput:
				p.ACL = ownerACL
			}
			return next.HandleInitialize(ctx, in)
		}), middleware.Before)
}

const expectOwnerID = "s3share:expectOwner"

// expectOwner sends x-amz-expected-bucket-owner with every request once the
// owner is known, so that a bucket of the same name in a stranger's account is
// neither read nor written. For a copy it names the source's owner too, which
// is the same bucket.
func (e *endpoint) expectOwner(stack *middleware.Stack) error {
	return stack.Build.Add(middleware.BuildMiddlewareFunc(expectOwnerID,
		func(ctx context.Context, in middleware.BuildInput, next middleware.BuildHandler) (
			middleware.BuildOutput, middleware.Metadata, error,
		) {
			id := e.owner.Load()
			if req, ok := in.Request.(*smithyhttp.Request); ok && id != nil && *id != "" {
				req.Header.Set("X-Amz-Expected-Bucket-Owner", *id)
				if req.Header.Get("X-Amz-Copy-Source") != "" {
					req.Header.Set("X-Amz-Source-Expected-Bucket-Owner", *id)
				}
			}
			return next.HandleBuild(ctx, in)
		}), middleware.After)
}

// withoutOwner leaves the expected owner out of one request, which must not be
// about an object.
func withoutOwner(o *s3.Options) {
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		_, err := stack.Build.Remove(expectOwnerID)
		return err
	})
}
