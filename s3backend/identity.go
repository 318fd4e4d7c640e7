package s3backend

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// API is the SDK's client that all requests are made with: the ACL, the
// expected owner and the watchdog are in it. It is for package access, which
// asks about a bucket and sets one up.
func (e *endpoint) API() *s3.Client { return e.s3 }

// AWS reports whether the endpoint is Amazon's. Elsewhere a request that names a
// subresource of the bucket may be taken for one on the bucket itself.
func (e *endpoint) AWS() bool { return !e.notAWS }

// Endpoint is where a server that is not AWS answers, "" for AWS.
func (e *endpoint) Endpoint() string {
	if u := e.s3.Options().BaseEndpoint; e.notAWS && u != nil {
		return *u
	}
	return ""
}

// Identity is whose credentials requests are signed with.
type Identity struct {
	Account string // the account's id; "" if the server does not say
	ARN     string // of the user or the role's session; "" at a server that is not AWS
}

// Identity asks who we are: STS, or at a server that is not AWS, which need not
// have that, a list of our buckets.
func (l *logins) Identity(ctx context.Context) (Identity, error) {
	if l.at.notAWS {
		one := int32(1)
		out, err := l.at.s3.ListBuckets(ctx, &s3.ListBucketsInput{MaxBuckets: &one})
		if err != nil {
			return Identity{}, wrapError(ctx, "ListBuckets", "", err)
		}
		if out.Owner == nil {
			return Identity{}, nil
		}
		return Identity{Account: val(out.Owner.ID)}, nil
	}
	out, err := sts.NewFromConfig(l.at.loaded).GetCallerIdentity(ctx, nil)
	if err != nil {
		return Identity{}, wrapError(ctx, "GetCallerIdentity", "", err)
	}
	return Identity{Account: val(out.Account), ARN: val(out.Arn)}, nil
}

// IsAccountID reports whether s is the id of an AWS account: twelve digits.
func IsAccountID(s string) bool {
	return len(s) == 12 && strings.Trim(s, "0123456789") == ""
}

// Wrap makes an *Error of what a call of API returned, in the kinds that this
// package's own requests have.
func Wrap(ctx context.Context, op, key string, err error) error {
	return wrapError(ctx, op, key, err)
}
