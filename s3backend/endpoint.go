package s3backend

import (
	"log/slog"
	"net/http"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// endpoint is the bucket, and how requests about it are sent: what all parts of a Client share. It
// recognises which server replies. Its fields are set before the Client is returned, but for the
// atomic ones.
type endpoint struct {
	s3     *s3.Client
	http   *watched   // sends all requests
	counts counter    // of these
	loaded aws.Config // what s3 was made of, for the other services of AWS
	bucket string
	region string
	prefix string
	payer  bool // every request says that we pay for it
	notAWS bool // an endpoint that is not AWS
	log    *slog.Logger

	owner     atomic.Pointer[string]      // as it is expected
	confirmed atomic.Pointer[string]      // see Owner
	answer    atomic.Pointer[http.Header] // of the last HeadBucket: which server it is
}

// Bucket is the bucket's name.
func (e *endpoint) Bucket() string { return e.bucket }

// Region is the bucket's region, as it was given or found.
func (e *endpoint) Region() string { return e.region }

// SetExpectedOwner makes every later request carry the account id of the
// bucket's owner; S3 refuses them (Denied) should the bucket be another's.
func (e *endpoint) SetExpectedOwner(id string) { e.owner.Store(&id) }

// Owner is the account that owns the bucket, as far as S3 has confirmed it: it has answered
// when that owner was expected. Until then it is "".
func (e *endpoint) Owner() string {
	if found := e.confirmed.Load(); found != nil {
		return *found
	}
	return ""
}

// confirm notes that S3 has answered a request in which this owner was expected.
func (e *endpoint) confirm(owner string) {
	if IsAccountID(owner) {
		e.confirmed.Store(&owner)
	}
}

// CloseIdle closes the connections that no request uses.
func (e *endpoint) CloseIdle() {
	e.http.client.CloseIdleConnections()
}
