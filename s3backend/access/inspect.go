package access

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/s3share/s3share/s3backend"
)

// Bucket is a bucket as it was found.
type Bucket struct {
	Exists   bool
	Region   string
	Endpoint string // "" for AWS; elsewhere only Policy and Folders are known
	Owner    string // the account of who asks, "" if the server does not say

	Policy     *Document // nil for none
	NoPolicies string    // why the server can have none, "" if it can
	Folders    map[string]bool

	Public         *types.PublicAccessBlockConfiguration
	Ownership      Ownership
	Encryption     []types.ServerSideEncryptionRule
	Lifecycle      []types.LifecycleRule
	TransitionSize types.TransitionDefaultMinimumObjectSize
	Versioning     types.BucketVersioningStatus
	RequesterPays  bool // Requester Pays is on, as far as these credentials may ask
}

// ErrNotYours says that the bucket is there, and that those who asked may not
// set it up.
var ErrNotYours = errors.New(
	"the bucket exists, and either it belongs to another account or these credentials may not look at it")

// Look asks what there is. It changes nothing. From then on the client names the
// account of who asks as the owner that it expects.
func Look(ctx context.Context, c *s3backend.Client, setup Setup) (Bucket, error) {
	st := Bucket{Endpoint: c.Endpoint(), Region: c.Region(), Folders: map[string]bool{}}
	id, err := c.Identity(ctx)
	if err != nil && c.AWS() {
		return st, c.ExplainLogin(ctx, err)
	}
	st.Owner = id.Account
	c.SetExpectedOwner(st.Owner)
	err = c.VerifyBucket(ctx)
	if (err == nil || errors.Is(err, s3backend.NoBucket)) && c.Server(ctx) == s3backend.MinIO {
		st.NoPolicies = noPoliciesOfUsers
	}
	switch {
	case errors.Is(err, s3backend.NoBucket):
		return st, nil
	case errors.Is(err, s3backend.WrongOwner):
		return st, fmt.Errorf("%w: %w", ErrNotYours, err)
	case err != nil:
		return st, err
	}
	st.Region = c.Region()
	if _, err := c.API().HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &setup.Bucket}); err != nil {
		return st, notYours(s3backend.Wrap(ctx, "HeadBucket", "", err))
	}
	st.Exists = true
	for _, folder := range setup.folders() {
		_, err := c.Head(ctx, folder+"/")
		if err != nil && !errors.Is(err, s3backend.NotExist) && !errors.Is(err, s3backend.Denied) {
			return st, err
		}
		st.Folders[folder] = !errors.Is(err, s3backend.NotExist)
	}
	if st.NoPolicies == "" {
		if st.Policy, err = readPolicy(ctx, c); err != nil {
			if c.AWS() || !knowsNoPolicies(err) {
				return st, err
			}
			st.NoPolicies = noPolicies
		}
	}
	if !c.AWS() {
		return st, nil
	}
	return st, st.readSettings(ctx, c.API(), &setup.Bucket)
}

func notYours(err error) error {
	if errors.Is(err, s3backend.Denied) {
		return fmt.Errorf("%w: %w", ErrNotYours, err)
	}
	return err
}

// oddPolicyError says that what a server returned as a policy is none.
type oddPolicyError struct{ err error }

func (e *oddPolicyError) Error() string {
	return "the bucket's policy cannot be read: " + e.err.Error()
}
func (e *oddPolicyError) Unwrap() error { return e.err }

const noPolicies = "this server knows no bucket policies"

// noPoliciesOfUsers says why MinIO gets no bucket policy.
// Source: minio cmd/auth-handler.go, checkRequestAuthTypeCredential: a bucket policy is asked
// only where a request has no access key.
const noPoliciesOfUsers = "MinIO applies bucket policies only to requests without credentials; its administrator lets the client in by a policy of its user"

// knowsNoPolicies reports whether a server answered as one that has no bucket policies:
// it says so, or takes the request for another.
func knowsNoPolicies(err error) bool {
	var odd *oddPolicyError
	var e *s3backend.Error
	if errors.As(err, &odd) {
		return true
	}
	return errors.As(err, &e) &&
		(e.Status() == http.StatusNotImplemented || e.Status() == http.StatusMethodNotAllowed)
}

// readPolicy returns the bucket's policy, nil if it has none.
func readPolicy(ctx context.Context, c *s3backend.Client) (*Document, error) {
	out, err := c.API().GetBucketPolicy(ctx,
		&s3.GetBucketPolicyInput{Bucket: aws.String(c.Bucket())})
	err = s3backend.Wrap(ctx, "GetBucketPolicy", "", err)
	switch {
	case errors.Is(err, s3backend.NotExist):
		return nil, nil
	case err != nil:
		return nil, err
	}
	d, err := ParseDocument([]byte(aws.ToString(out.Policy)))
	if err != nil {
		return nil, &oddPolicyError{err}
	}
	return &d, nil
}

// readSettings reads what only AWS is known to have.
func (st *Bucket) readSettings(ctx context.Context, api *s3.Client, bucket *string) error {
	for _, setting := range []struct {
		op   string
		read func() error
	}{
		{"GetPublicAccessBlock", func() error {
			out, err := api.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: bucket})
			if err == nil {
				st.Public = out.PublicAccessBlockConfiguration
			}
			return err
		}},
		{"GetBucketOwnershipControls", func() error {
			st.Ownership = Writer // what no setting means
			out, err := api.GetBucketOwnershipControls(ctx,
				&s3.GetBucketOwnershipControlsInput{Bucket: bucket})
			if err == nil && out.OwnershipControls != nil && len(out.OwnershipControls.Rules) > 0 {
				st.Ownership = ownershipOf(out.OwnershipControls.Rules[0].ObjectOwnership)
			}
			return err
		}},
		{"GetBucketEncryption", func() error {
			out, err := api.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: bucket})
			if err == nil && out.ServerSideEncryptionConfiguration != nil {
				st.Encryption = out.ServerSideEncryptionConfiguration.Rules
			}
			return err
		}},
		{"GetBucketLifecycleConfiguration", func() error {
			rules, size, err := readLifecycle(ctx, api, bucket)
			st.Lifecycle, st.TransitionSize = rules, size
			return err
		}},
		{"GetBucketVersioning", func() error {
			out, err := api.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: bucket})
			if err == nil {
				st.Versioning = out.Status
			}
			return err
		}},
		{"GetBucketRequestPayment", func() error {
			out, err := api.GetBucketRequestPayment(ctx,
				&s3.GetBucketRequestPaymentInput{Bucket: bucket})
			if err == nil {
				st.RequesterPays = out.Payer == types.PayerRequester
			} else if errors.Is(s3backend.Wrap(ctx, "", "", err), s3backend.Denied) {
				return nil // the client finds out when it joins
			}
			return err
		}},
	} {
		err := s3backend.Wrap(ctx, setting.op, "", setting.read())
		if err != nil && !errors.Is(err, s3backend.NotExist) { // not set at all is 404
			return err
		}
	}
	return nil
}

func readLifecycle(ctx context.Context, api *s3.Client,
	bucket *string) ([]types.LifecycleRule, types.TransitionDefaultMinimumObjectSize, error) {
	out, err := api.GetBucketLifecycleConfiguration(ctx,
		&s3.GetBucketLifecycleConfigurationInput{Bucket: bucket})
	if err != nil {
		return nil, "", err
	}
	return out.Rules, out.TransitionDefaultMinimumObjectSize, nil
}

// ownershipNames are the settings as the API names them.
var ownershipNames = map[Ownership]types.ObjectOwnership{
	Enforced:  types.ObjectOwnershipBucketOwnerEnforced,
	Preferred: types.ObjectOwnershipBucketOwnerPreferred,
	Writer:    types.ObjectOwnershipObjectWriter,
}

func ownershipOf(name types.ObjectOwnership) Ownership {
	for o, n := range ownershipNames {
		if n == name {
			return o
		}
	}
	return Ownership(strings.ToLower(string(name)))
}
