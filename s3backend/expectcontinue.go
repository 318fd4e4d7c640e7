package s3backend

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// expectOnRetry sends a part without asking first, since that would cost a
// round trip a part, and asks (Expect: 100-continue) from the second attempt
// on: a server that refuses a request it has not read closes the connection,
// and its reason may be lost with it. PutObject always asks, from 2 MiB on:
// that is the SDK's default.
func expectOnRetry(o *s3.Options) {
	o.ContinueHeaderThresholdBytes = -1
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		attempt := 0 // the stack is one call's, and attempts follow each other
		return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("s3share:expectOnRetry",
			func(ctx context.Context, in middleware.FinalizeInput,
				next middleware.FinalizeHandler) (
				middleware.FinalizeOutput, middleware.Metadata, error,
			) {
				attempt++
				if req, ok := in.Request.(*smithyhttp.Request); ok &&
					attempt > 1 && req.ContentLength > 0 {
					req.Header.Set("Expect", "100-continue")
				}
				return next.HandleFinalize(ctx, in)
			}), "Retry", middleware.After)
	})
}
