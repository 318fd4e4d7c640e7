package access

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/s3share/s3share/s3backend"
)

// ErrChanged says that somebody changed the bucket while the plan was looked at.
var ErrChanged = errors.New("somebody else has changed it in the meantime: run this again")

// Apply does what is to be done, and reports each step; a step that this server cannot do is
// reported as Left. It ends at the first
// failure; a plan that is made anew goes on from there.
func (p *Plan) Apply(ctx context.Context, c *s3backend.Client, done func(Step)) error {
	for _, s := range p.Steps {
		if s.State != Change {
			continue
		}
		err := s.do(ctx, c)
		if !c.AWS() && s.What == stepPolicy && knowsNoPolicies(err) {
			p.Found.NoPolicies = noPolicies
			s.State, s.Detail, err = Left, "not done: "+noPolicies, nil
		}
		if err != nil {
			return fmt.Errorf("cannot set up the %s: %w", s.What, err)
		}
		done(s)
	}
	return nil
}

// retryConflicts sends again what S3 refuses because of a change just made to the same
// bucket: "A conflicting conditional operation is currently in progress".
// Source: Amazon S3 API Reference, "Error responses".
func retryConflicts(o *s3.Options) {
	o.Retryer = retry.AddWithMaxAttempts(retry.AddWithErrorCodes(o.Retryer,
		"OperationAborted", "NoSuchBucket"), 6)
}

type act = func(context.Context, *s3backend.Client) error

// sending makes a step of one request.
func sending(op string, send func(context.Context, *s3.Client, *string) error) act {
	return func(ctx context.Context, c *s3backend.Client) error {
		return s3backend.Wrap(ctx, op, "", send(ctx, c.API(), aws.String(c.Bucket())))
	}
}

// createBucket makes the bucket, of the account that asks.
func createBucket(found Bucket, asked Ownership) act {
	return func(ctx context.Context, c *s3backend.Client) error {
		c.SetExpectedOwner("") // there is none yet
		defer c.SetExpectedOwner(found.Owner)
		if asked == "" {
			asked = Enforced
		}
		in := &s3.CreateBucketInput{Bucket: aws.String(c.Bucket()),
			ObjectOwnership: ownershipNames[asked]}
		if _, regional := parseRegionalName(c.Bucket()); regional && c.AWS() {
			in.BucketNamespace = types.BucketNamespaceAccountRegional
		}
		// us-east-1 must not be named, says the API. Servers elsewhere have one
		// region, whose name for itself may be another.
		if c.AWS() && found.Region != "us-east-1" {
			in.CreateBucketConfiguration =
				&types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(
					found.Region)}
		}
		_, err := c.API().CreateBucket(ctx, in)
		var mine *types.BucketAlreadyOwnedByYou
		if errors.As(err, &mine) {
			return nil
		}
		return s3backend.Wrap(ctx, "CreateBucket", "", err)
	}
}

var blockPublicAccess = sending("PutPublicAccessBlock",
	func(ctx context.Context, api *s3.Client, bucket *string) error {
		_, err := api.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{
			Bucket: bucket,
			PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{
				BlockPublicAcls: aws.Bool(true), BlockPublicPolicy: aws.Bool(true),
				IgnorePublicAcls: aws.Bool(true), RestrictPublicBuckets: aws.Bool(true),
			},
		}, retryConflicts)
		return err
	})

func setOwnership(o Ownership) act {
	return sending("PutBucketOwnershipControls",
		func(ctx context.Context, api *s3.Client, bucket *string) error {
			_, err := api.PutBucketOwnershipControls(ctx, &s3.PutBucketOwnershipControlsInput{
				Bucket:            bucket,
				OwnershipControls: &types.OwnershipControls{Rules: []types.OwnershipControlsRule{{ObjectOwnership: ownershipNames[o]}}},
			}, retryConflicts)
			return err
		})
}

func putEncryption(rule types.ServerSideEncryptionRule) act {
	return sending("PutBucketEncryption",
		func(ctx context.Context, api *s3.Client, bucket *string) error {
			_, err := api.PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{
				Bucket:                            bucket,
				ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{Rules: []types.ServerSideEncryptionRule{rule}},
			}, retryConflicts)
			return err
		})
}

// putLifecycle replaces all rules, which is the only way there is; so they are
// read once more, and must be what they were.
func putLifecycle(was, rules []types.LifecycleRule,
	size types.TransitionDefaultMinimumObjectSize) act {
	return sending("PutBucketLifecycleConfiguration",
		func(ctx context.Context, api *s3.Client, bucket *string) error {
			now, _, err := readLifecycle(ctx, api, bucket)
			if err != nil && !errors.Is(s3backend.Wrap(ctx, "", "", err), s3backend.NotExist) {
				return err
			}
			if len(now)+len(was) > 0 && !reflect.DeepEqual(now, was) {
				return ErrChanged
			}
			_, err = api.PutBucketLifecycleConfiguration(ctx,
				&s3.PutBucketLifecycleConfigurationInput{
					Bucket: bucket, TransitionDefaultMinimumObjectSize: size,
					LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: rules},
				}, retryConflicts)
			return err
		})
}

var setVersioning = sending("PutBucketVersioning",
	func(ctx context.Context, api *s3.Client, bucket *string) error {
		_, err := api.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{
			Bucket:                  bucket,
			VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
		}, retryConflicts)
		return err
	})

// makeFolder makes the object that shows a folder, as the console does.
func makeFolder(name string) act {
	return func(ctx context.Context, c *s3backend.Client) error {
		_, err := c.Put(ctx, name+"/", bytes.NewReader(nil),
			0, nil, s3backend.Condition{IfNoneMatch: true})
		if errors.Is(err, s3backend.Stale) { // it is there by now
			return nil
		}
		return err
	}
}

// putPolicy replaces the policy, if it is still what it was.
func putPolicy(was *Document, policy Document) act {
	return func(ctx context.Context, c *s3backend.Client) error {
		now, err := readPolicy(ctx, c)
		if err != nil {
			return err
		}
		if (now == nil) != (was == nil) || now != nil && !bytes.Equal(now.Bytes(), was.Bytes()) {
			return ErrChanged
		}
		put := func(d Document) error {
			_, err := c.API().PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{
				Bucket: aws.String(c.Bucket()), Policy: aws.String(string(d.Bytes())),
			}, retryConflicts)
			return s3backend.Wrap(ctx, "PutBucketPolicy", "", err)
		}
		err = put(policy)
		var e *s3backend.Error
		if !c.AWS() && errors.As(err, &e) && e.Code() == "MalformedPolicy" {
			// It may not know the action. Where there are no ACLs, nobody needs it.
			if put(policy.withoutACL()) == nil {
				return nil
			}
		}
		return err
	}
}
