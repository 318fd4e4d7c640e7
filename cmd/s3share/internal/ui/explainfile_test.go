package ui

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/s3backend"
)

// TestReasonsAreSentences has each request fail in each way, as the SDK wraps it: what people
// are told does not name the file again, and has none of the SDK's layers.
func TestReasonsAreSentences(t *testing.T) {
	const key = "Delivery/a \"b\" %d.csv"
	layered := func(op string, status int, inner error) error {
		var err error = inner
		if status != 0 {
			err = &awshttp.ResponseError{RequestID: "REQUEST",
				ResponseError: &smithyhttp.ResponseError{
					Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}},
					Err:      inner,
				}}
		}
		return &smithy.OperationError{ServiceID: "S3", OperationName: op,
			Err: &aws.RequestCanceledError{Err: err}}
	}
	sent := &smithyhttp.RequestSendError{Err: &url.Error{Op: "Put",
		URL: "http://127.0.0.1:1/b/Delivery/a", Err: &net.OpError{Op: "dial", Net: "tcp",
			Err: syscall.ECONNREFUSED}}}
	failures := map[string]error{"": layered("PutObject", 0, errors.New("unexpected EOF")),
		"refused": layered("PutObject", 0, sent), "none": nil}
	for _, code := range []string{
		"AccessDenied", "InternalError", "NoSuchKey", "NoSuchBucket", "ExpiredToken", "SlowDown", "KeyTooLongError",
		"EntityTooLarge", "InvalidObjectState", "PreconditionFailed", "KMS.DisabledException", "MethodNotAllowed", "BadDigest",
	} {
		failures[code] = layered("PutObject",
			400, &smithy.GenericAPIError{Code: code, Message: code})
	}
	target := config.Destination{Bucket: "team", Endpoint: "https://s3.example.com"}
	for name, failure := range failures {
		for kind := s3backend.Other; kind <= s3backend.CustomerKey; kind++ {
			for _, op := range []string{"PutObject", "CopyObject", "UploadPart",
				"DeleteObjects", "HeadObject"} {
				base := &s3backend.Error{Op: op, Key: key, Kind: kind, Err: failure}
				for _, err := range []error{base, fmt.Errorf("copying %q: %w", key, base),
					fmt.Errorf("writing it failed: %w", base)} {
					reason, advice := ExplainFile(target, key, err)
					for _, bad := range []string{key, fmt.Sprintf("%q", key), "operation error",
						"RequestID", "REQUEST", "StatusCode", "request send failed",
						"canceled, ", "\n", "%!"} {
						if strings.Contains(reason, bad) || strings.Contains(advice, bad) {
							t.Errorf("%s, %v, %s: %q, hint %q: it has %q", name,
								kind, op, reason, advice, bad)
						}
					}
					if reason == "" || strings.HasSuffix(reason, ".") ||
						strings.HasSuffix(reason, ": ") {
						t.Errorf("%s, %v, %s: %q", name, kind, op, reason)
					}
					if doing := "writing it failed: "; strings.HasPrefix(err.Error(), doing) &&
						!strings.HasPrefix(reason, doing) {
						t.Errorf("%v: %q does not say what was being done", err, reason)
					}
				}
			}
		}
	}
	if reason, _ := ExplainFile(target, key,
		context.DeadlineExceeded); reason != "context deadline exceeded" {
		t.Errorf("an error that is not of S3 is told as %q", reason)
	}
	if reason, _ := ExplainFile(target, "Delivery/b",
		&s3backend.Error{Op: "CopyObject", Key: "Delivery/a",
			Kind: s3backend.TooLarge}); reason != `"Delivery/a" is larger than S3 takes` {
		t.Errorf("of another file: %q", reason)
	}
}
