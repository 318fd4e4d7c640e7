package s3backend

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"
)

// requestPayer is the header by which a requester agrees to pay. AWS refuses requests
// without it where a bucket has Requester Pays on, but for those of the bucket's owner.
// Source: Amazon S3 User Guide, "Using Requester Pays general purpose buckets".
const requestPayer = "X-Amz-Request-Payer"

// ErrRequesterPays is the reason of a Denied error if the bucket refuses requests by which the
// requester does not agree to pay for them.
var ErrRequesterPays = errors.New("whoever asks has to pay for the requests (Requester Pays)")

// agreeToPay sends the header with every request, if the configuration says that we pay.
func (e *endpoint) agreeToPay(stack *middleware.Stack) error {
	if !e.payer {
		return nil
	}
	return stack.Build.Add(headerSetter{requestPayer, string(types.RequestPayerRequester)},
		middleware.After)
}

// checkPayer finds out whether a listing was refused only because we do not agree to pay:
// it asks once more, with the header, for one name, which we pay for. Only AWS is asked.
func (o *opening) checkPayer(ctx context.Context) error {
	if o.payer || o.notAWS {
		return nil
	}
	one := int32(1)
	_, err := o.s3.ListObjectsV2(ctx, &s3.ListObjectsV2Input{
		Bucket: &o.bucket, Prefix: opt(o.prefix), MaxKeys: &one,
		RequestPayer: types.RequestPayerRequester,
	})
	if err != nil {
		return nil // no wiser
	}
	return &Error{Op: "Open", Kind: Denied, Err: ErrRequesterPays}
}
