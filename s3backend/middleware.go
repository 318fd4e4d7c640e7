package s3backend

import (
	"context"
	"fmt"
	"net/http"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// headerSetter sets one header before the request is signed.
type headerSetter struct{ name, value string }

// ID names the middleware; one stack may have several.
func (h headerSetter) ID() string { return "s3share:header:" + h.name }

// HandleBuild sets the header.
func (h headerSetter) HandleBuild(ctx context.Context, in middleware.BuildInput,
	next middleware.BuildHandler) (
	middleware.BuildOutput, middleware.Metadata, error,
) {
	req, ok := in.Request.(*smithyhttp.Request)
	if !ok {
		return middleware.BuildOutput{}, middleware.Metadata{},
			fmt.Errorf("request of type %T", in.Request)
	}
	req.Header.Set(h.name, h.value)
	return next.HandleBuild(ctx, in)
}

// rawReply returns the headers of a reply that succeeded.
func rawReply(m middleware.Metadata) (http.Header, bool) {
	r, ok := awsmiddleware.GetRawResponse(m).(*smithyhttp.Response)
	if !ok || r.Response == nil {
		return http.Header{}, false
	}
	return r.Header, true
}

// serverTime is S3's clock as it answered: the nearest to Last-Modified that
// the reply to a write has. Whole seconds, as Last-Modified is.
func serverTime(m middleware.Metadata) time.Time {
	if t, ok := awsmiddleware.GetServerTime(m); ok {
		return t.UTC().Truncate(time.Second)
	}
	return time.Now().UTC().Truncate(time.Second)
}

// setHeader sets one header of a request before it is signed, for what the
// SDK's inputs cannot express.
func setHeader(name, value string) func(*s3.Options) {
	return func(o *s3.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Build.Add(headerSetter{http.CanonicalHeaderKey(name), value},
				middleware.After)
		})
	}
}
