package s3backend

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// unusedCalls implements the requests that transfermanager's interface asks for and that it does
// not send for one object in one direction. Each returns an error.
type unusedCalls struct{}

var errUnusedCall = errors.New("not a request of this upload or download")

func (unusedCalls) PutObject(context.Context, *s3.PutObjectInput,
	...func(*s3.Options)) (*s3.PutObjectOutput, error) {
	return nil, errUnusedCall
}

func (unusedCalls) CreateMultipartUpload(context.Context, *s3.CreateMultipartUploadInput,
	...func(*s3.Options)) (*s3.CreateMultipartUploadOutput, error) {
	return nil, errUnusedCall
}

func (unusedCalls) UploadPart(context.Context, *s3.UploadPartInput,
	...func(*s3.Options)) (*s3.UploadPartOutput, error) {
	return nil, errUnusedCall
}

func (unusedCalls) CompleteMultipartUpload(context.Context, *s3.CompleteMultipartUploadInput,
	...func(*s3.Options)) (*s3.CompleteMultipartUploadOutput, error) {
	return nil, errUnusedCall
}

func (unusedCalls) AbortMultipartUpload(context.Context, *s3.AbortMultipartUploadInput,
	...func(*s3.Options)) (*s3.AbortMultipartUploadOutput, error) {
	return nil, errUnusedCall
}

func (unusedCalls) GetObject(context.Context, *s3.GetObjectInput,
	...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	return nil, errUnusedCall
}

func (unusedCalls) HeadObject(context.Context, *s3.HeadObjectInput,
	...func(*s3.Options)) (*s3.HeadObjectOutput, error) {
	return nil, errUnusedCall
}

func (unusedCalls) ListObjectsV2(context.Context, *s3.ListObjectsV2Input,
	...func(*s3.Options)) (*s3.ListObjectsV2Output, error) {
	return nil, errUnusedCall
}
