package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"

	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/s3err"

	"github.com/s3share/s3share/integration/localbucket/internal/bucket"
	"github.com/s3share/s3share/integration/localbucket/internal/objacl"
)

// GetBucketPolicy implements backend.Backend. The gateway asks for the policy
// to judge a request, so it is given two rights more that S3 has and that only
// the request at hand tells: an upload belongs to who began it, and anybody
// may read what an ACL opens to all. What has been judged by the rules of AWS is let
// pass.
func (l *layer) GetBucketPolicy(ctx context.Context, bucketName string) ([]byte, error) {
	if v := verdictOf(ctx); v != nil && v.call.Bucket == bucketName {
		return v.policy, nil
	}
	policy, err := l.Backend.GetBucketPolicy(ctx, bucketName)
	more := l.byRequest(ctx, bucketName)
	if more == nil {
		return policy, err
	}
	if err != nil {
		if !errors.Is(err, s3err.GetAPIError(s3err.ErrNoSuchBucketPolicy)) {
			return nil, err
		}
		policy = []byte(`{"Version":"2012-10-17","Statement":[]}`)
	}
	var doc map[string]any
	if err := json.Unmarshal(policy, &doc); err != nil {
		return nil, fmt.Errorf("read policy of %q: %w", bucketName, err)
	}
	statements, _ := doc["Statement"].([]any)
	doc["Statement"] = append(statements, more)
	return json.Marshal(doc)
}

// byRequest is the statement that the request in ctx adds to the policy of its
// bucket, nil for most.
func (l *layer) byRequest(ctx context.Context, bucketName string) map[string]any {
	r := request(ctx)
	if r == nil {
		return nil
	}
	name, key := target(r)
	if name != bucketName || key == "" {
		return nil
	}
	allow := func(principal any, actions ...auth.Action) map[string]any {
		return map[string]any{
			"Effect": "Allow", "Principal": principal, "Action": actions,
			"Resource": auth.ResourceArnPrefix + bucketName + "/" + key,
		}
	}
	caller := l.caller(ctx)
	if caller == "" {
		acl, ok := l.objectACL(bucketName, key)
		if !ok || !acl.Allows("", objacl.Read) {
			return nil
		}
		return allow("*", auth.GetObjectAction)
	}
	upload := string(r.QueryArgs().Peek("uploadId"))
	if upload == "" || l.store.initiator(bucketName, key, upload) != caller {
		return nil
	}
	return allow(map[string]string{"AWS": bucket.Local.Principal(caller)},
		auth.AbortMultipartUploadAction, auth.ListMultipartUploadPartsAction)
}

// bareAccount finds the principals that name an account by its id alone.
var bareAccount = regexp.MustCompile(`"(\d{12})"`)

// PutBucketPolicy implements backend.Backend. As S3 does, it keeps an account's
// bare id as the name of its root.
func (l *layer) PutBucketPolicy(ctx context.Context, bucketName string, policy []byte) error {
	if policy != nil {
		policy = bareAccount.ReplaceAll(policy, []byte(`"arn:aws:iam::$1:root"`))
	}
	return l.Backend.PutBucketPolicy(ctx, bucketName, policy)
}
