package bucket

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// S3 returns a client that acts as the account on the line's server. It sends
// and asks for no checksums but where S3 requires them, for RGW refuses some.
func (l Line) S3(a Account) *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: aws.String(l.Endpoint),
		Region:       l.Region,
		UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(a.AccessKeyID,
			a.SecretAccessKey, ""),
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
	})
}

// Setup makes the line's bucket, owned by its owner, unless it is there
// already, and puts the policy on it. Ownership is sent only to a server that
// knows it: RGW takes its subresource for an operation on the bucket itself.
func Setup(ctx context.Context, l Line, ownership types.ObjectOwnership, policy string) error {
	api := l.S3(l.Owner)
	in := &s3.CreateBucketInput{Bucket: &l.Bucket}
	if l.Kind != RGW {
		in.ObjectOwnership = ownership
	}
	_, err := api.CreateBucket(ctx, in)
	var mine *types.BucketAlreadyOwnedByYou
	switch {
	case errors.As(err, &mine) && l.Kind != RGW:
		_, err = api.PutBucketOwnershipControls(ctx, &s3.PutBucketOwnershipControlsInput{
			Bucket: &l.Bucket,
			OwnershipControls: &types.OwnershipControls{
				Rules: []types.OwnershipControlsRule{{ObjectOwnership: ownership}},
			},
		})
		if err != nil {
			return fmt.Errorf("set ownership of %q: %w", l.Bucket, err)
		}
	case err != nil && !errors.As(err, &mine):
		return fmt.Errorf("create bucket %q: %w", l.Bucket, err)
	}
	_, err = api.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &l.Bucket, Policy: &policy})
	if err != nil {
		return fmt.Errorf("put policy on %q: %w", l.Bucket, err)
	}
	return nil
}
