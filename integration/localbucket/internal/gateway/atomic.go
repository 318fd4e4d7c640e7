package gateway

import (
	"bytes"
	"context"
	"io"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/s3response"
)

// atomic makes a condition hold until the change that it was for: versitygw looks
// first and changes then, and S3 does both at once.
type atomic struct {
	backend.Backend
	versions bool     // buckets can keep versions
	keys     sync.Map // a *sync.Mutex for each bucket and key
}

// mostHeld is the largest body that is read before its key is locked, in bytes: a
// client that is slow to send must not keep others from the key. A larger one has no
// guarantee.
const mostHeld = 16 << 20

func (a *atomic) lock(bucket, key *string) (unlock func()) {
	m, _ := a.keys.LoadOrStore(*bucket+"/"+*key, new(sync.Mutex))
	m.(*sync.Mutex).Lock()
	return m.(*sync.Mutex).Unlock
}

// noneMatch is an If-None-Match as the backend is to check it, nil if it holds. To the backend a
// delete marker is an object, which to S3 it is not. Source: Amazon S3 User Guide, "How to prevent
// object overwrites with conditional writes".
func (a *atomic) noneMatch(ctx context.Context, bucket, key, cond *string) *string {
	if cond == nil || !a.versions {
		return cond
	}
	if _, err := a.Backend.HeadObject(ctx,
		&s3.HeadObjectInput{Bucket: bucket, Key: key}); err != nil {
		return nil
	}
	return cond
}

// PutObject implements backend.Backend.
func (a *atomic) PutObject(ctx context.Context,
	in s3response.PutObjectInput) (s3response.PutObjectOutput, error) {
	if in.ContentLength == nil || *in.ContentLength > mostHeld {
		return a.Backend.PutObject(ctx, in)
	}
	if in.Body != nil {
		body, err := io.ReadAll(in.Body)
		if err != nil {
			return s3response.PutObjectOutput{}, err
		}
		in.Body = bytes.NewReader(body)
	}
	defer a.lock(in.Bucket, in.Key)()
	in.IfNoneMatch = a.noneMatch(ctx, in.Bucket, in.Key, in.IfNoneMatch)
	return a.Backend.PutObject(ctx, in)
}

// CompleteMultipartUpload implements backend.Backend.
func (a *atomic) CompleteMultipartUpload(ctx context.Context,
	in *s3.CompleteMultipartUploadInput) (s3response.CompleteMultipartUploadResult, string, error) {
	defer a.lock(in.Bucket, in.Key)()
	in.IfNoneMatch = a.noneMatch(ctx, in.Bucket, in.Key, in.IfNoneMatch)
	return a.Backend.CompleteMultipartUpload(ctx, in)
}

// DeleteObject implements backend.Backend.
func (a *atomic) DeleteObject(ctx context.Context,
	in *s3.DeleteObjectInput) (*s3.DeleteObjectOutput, error) {
	defer a.lock(in.Bucket, in.Key)()
	return a.Backend.DeleteObject(ctx, in)
}
