package integration

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// party is one of the accounts that know of an exchange.
type party string

const (
	owner  party = "owner"
	client party = "client"
	third  party = "third"
)

// The folders of an exchange.
const (
	submissions = "Submissions/"
	delivery    = "Delivery/"
)

// exchange is a bucket of the test's own, and a plain client for each party: the
// SDK without anything of s3share.
type exchange struct {
	line
	t       *testing.T
	api     map[party]*s3.Client
	foreign *ledger
}

// ledger is what plain clients have put.
type ledger struct {
	mu    sync.Mutex
	etags map[string]string // by key
}

// in is the exchange for use in a subtest.
func (x exchange) in(t *testing.T) *exchange {
	x.t = t
	return &x
}

// newExchange makes a bucket with the named policy for the client: full, article,
// folders or dropbox. When the test ends, its owner must be able to read all that
// mounts have put there.
func newExchange(t *testing.T, policy string) *exchange {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	l, err := makeBucket(ctx, "t-"+strings.ToLower(rand.Text()[:16]), policy)
	if err != nil {
		t.Fatal(err)
	}
	return exchangeOf(t, l)
}

// exchangeOf is the exchange in the line's bucket, which need not be there yet.
func exchangeOf(t *testing.T, l line) *exchange {
	t.Helper()
	x := &exchange{line: l, t: t, api: map[party]*s3.Client{},
		foreign: &ledger{etags: map[string]string{}}}
	for p, a := range map[party]account{owner: l.Owner, client: l.Client, third: l.Third} {
		x.api[p] = x.plainClient(a, 0)
	}
	t.Cleanup(func() {
		x.assertACL()
		x.empty()
	})
	return x
}

// endpoint is the flag that says where the server is; of AWS nobody says it.
func (x *exchange) endpoint() []string {
	if x.AWS != nil {
		return nil
	}
	return []string{"--endpoint-url", x.Endpoint}
}

// reach is what the environment of a program says of the way to AWS's names.
func (x *exchange) reach() []string {
	if x.AWS == nil {
		return nil
	}
	return []string{"HTTPS_PROXY=" + x.AWS.Proxy, "AWS_CA_BUNDLE=" + x.AWS.Authority,
		"AWS_REGION=" + x.Region, "NO_PROXY="}
}

// plainClient is the SDK without anything of s3share. It makes each request up to
// attempts times, as often as the SDK does if 0.
func (x *exchange) plainClient(a account, attempts int) *s3.Client {
	o := s3.Options{
		BaseEndpoint:     aws.String(x.Endpoint),
		Region:           x.Region,
		UsePathStyle:     true,
		RetryMaxAttempts: attempts,
		Credentials: credentials.NewStaticCredentialsProvider(a.AccessKeyID,
			a.SecretAccessKey, ""),
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
	}
	if x.AWS != nil { // whose policy refuses what is not encrypted
		o.BaseEndpoint, o.UsePathStyle, o.HTTPClient = nil, false, x.AWS.client(x.t)
		// Object Lock needs checksums.
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenSupported
	}
	return s3.New(o)
}

// account is the party's.
func (x *exchange) account(p party) account {
	return map[party]account{owner: x.Owner, client: x.Client, third: x.Third}[p]
}

// put writes an object as a plain client does, with the ACL that lets the
// bucket's owner read it or without, and returns its ETag.
func (x *exchange) put(p party, key string, body []byte, acl bool) string {
	x.t.Helper()
	etag, err := x.tryPut(p, key, body, acl)
	if err != nil {
		x.t.Fatalf("put %q as %s: %v", key, p, err)
	}
	return etag
}

func (x *exchange) tryPut(p party, key string, body []byte, acl bool) (string, error) {
	in := &s3.PutObjectInput{Bucket: &x.Bucket, Key: &key, Body: bytes.NewReader(body)}
	if acl {
		in.ACL = types.ObjectCannedACLBucketOwnerFullControl
	}
	ctx, cancel := context.WithTimeout(x.t.Context(), patience)
	defer cancel()
	out, err := x.api[p].PutObject(ctx, in)
	if err != nil {
		return "", err
	}
	etag := strings.Trim(*out.ETag, `"`)
	x.foreign.put(key, etag)
	return etag, nil
}

// put notes what a plain client has put.
func (l *ledger) put(key, etag string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.etags[key] = etag
}

// get reads an object as a plain client.
func (x *exchange) get(p party, key string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(x.t.Context()), patience)
	defer cancel()
	out, err := x.api[p].GetObject(ctx, &s3.GetObjectInput{Bucket: &x.Bucket, Key: &key})
	if err != nil {
		return nil, err
	}
	defer out.Body.Close()
	return io.ReadAll(out.Body)
}

// head asks for an object's attributes as the bucket's owner; nil if there is none.
func (x *exchange) head(key string) *s3.HeadObjectOutput {
	x.t.Helper()
	ctx, cancel := context.WithTimeout(x.t.Context(), patience)
	defer cancel()
	out, err := x.api[owner].HeadObject(ctx, &s3.HeadObjectInput{Bucket: &x.Bucket, Key: &key})
	if status(err) == 404 {
		return nil
	}
	if err != nil {
		x.t.Fatalf("head %q: %v", key, err)
	}
	return out
}

// remove deletes an object as the bucket's owner.
func (x *exchange) remove(key string) {
	x.t.Helper()
	ctx, cancel := context.WithTimeout(x.t.Context(), patience)
	defer cancel()
	if _, err := x.api[owner].DeleteObject(ctx,
		&s3.DeleteObjectInput{Bucket: &x.Bucket, Key: &key}); err != nil {
		x.t.Fatalf("delete %q: %v", key, err)
	}
}

// list tells what is in the bucket: ETags by key.
func (x *exchange) list() map[string]string {
	x.t.Helper()
	all, err := x.tryList(context.WithoutCancel(x.t.Context()))
	if err != nil {
		x.t.Fatalf("list: %v", err)
	}
	return all
}

func (x *exchange) tryList(ctx context.Context) (map[string]string, error) {
	return x.listPrefix(ctx, "")
}

// listPrefix tells what is in the bucket under a prefix: ETags by key.
func (x *exchange) listPrefix(ctx context.Context, prefix string) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	all := map[string]string{}
	pages := s3.NewListObjectsV2Paginator(x.api[owner], &s3.ListObjectsV2Input{
		// XML holds no control characters.
		Bucket: &x.Bucket, Prefix: &prefix, EncodingType: types.EncodingTypeUrl,
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, o := range page.Contents {
			key := *o.Key
			if page.EncodingType == types.EncodingTypeUrl { // not every server does it
				if key, err = url.QueryUnescape(key); err != nil {
					return nil, err
				}
			}
			all[key] = strings.Trim(aws.ToString(o.ETag), `"`)
		}
	}
	return all, nil
}

// uploads lists the keys of multipart uploads that are neither completed nor
// aborted.
func (x *exchange) uploads() []string {
	x.t.Helper()
	ctx, cancel := context.WithTimeout(x.t.Context(), patience)
	defer cancel()
	out, err := x.api[owner].ListMultipartUploads(ctx,
		&s3.ListMultipartUploadsInput{Bucket: &x.Bucket})
	if err != nil {
		x.t.Fatalf("list multipart uploads: %v", err)
	}
	var keys []string
	for _, u := range out.Uploads {
		keys = append(keys, aws.ToString(u.Key))
	}
	return keys
}

// awaitObject waits until the bucket's owner reads this content at key.
func (x *exchange) awaitObject(key string, want []byte) {
	x.t.Helper()
	var got []byte
	var err error
	defer func() {
		if x.t.Failed() {
			x.t.Logf("the object at %q: %s, %v", key, brief(got), err)
		}
	}()
	await(x.t, fmt.Sprintf("%s at %q", brief(want), key), func() bool {
		got, err = x.get(owner, key)
		return err == nil && bytes.Equal(got, want)
	})
}

// awaitGone waits until there is no object at key.
func (x *exchange) awaitGone(key string) {
	x.t.Helper()
	await(x.t, fmt.Sprintf("%q to be gone", key), func() bool { return x.head(key) == nil })
}

// assertACL proves that the owner has full control of each object that a mount
// has put into the bucket.
func (x *exchange) assertACL() {
	x.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	all, err := x.tryList(ctx)
	if err != nil {
		x.t.Errorf("list: %v", err)
	}
	id := ""
	for key, etag := range all {
		if x.foreign.etags[key] == etag {
			continue
		}
		out, err := x.api[owner].GetObject(ctx, &s3.GetObjectInput{Bucket: &x.Bucket, Key: &key})
		if err != nil {
			x.t.Errorf("the owner of the bucket cannot read %q: %v", key, err)
			continue
		}
		out.Body.Close()
		acl, err := x.api[owner].GetObjectAcl(ctx,
			&s3.GetObjectAclInput{Bucket: &x.Bucket, Key: &key})
		if err != nil {
			x.t.Errorf("the owner of the bucket cannot read the ACL of %q: %v", key, err)
			continue
		}
		full := false
		if id == "" {
			id = x.ownerID(ctx)
		}
		for _, g := range acl.Grants {
			full = full || g.Grantee != nil && aws.ToString(g.Grantee.ID) == id &&
				g.Permission == types.PermissionFullControl
		}
		if !full {
			x.t.Errorf("the ACL of %q gives the owner of the bucket no full control", key)
		}
	}
}

// empty removes what is in the bucket, so that many tests fit on the server.
func (x *exchange) empty() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	all, _ := x.tryList(ctx)
	for key := range all {
		_, _ = x.api[owner].DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &x.Bucket, Key: &key})
	}
}

// status is the HTTP status of a refused request, 0 if err is of another kind.
func status(err error) int {
	var re *smithyhttp.ResponseError
	if errors.As(err, &re) {
		return re.HTTPStatusCode()
	}
	return 0
}

// brief shows content that is too long to print.
func brief(b []byte) string {
	if len(b) <= 80 {
		return fmt.Sprintf("%q", b)
	}
	return fmt.Sprintf("%d bytes %q...", len(b), b[:40])
}

// randomBytes are n bytes that nothing can compress or guess.
func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // it never fails
	return b
}

// never polls as long as the condition is false and the event has not happened;
// it fails the test when the condition gets true.
func never(t *testing.T, what string, bad func() bool, until <-chan struct{}) {
	t.Helper()
	for n := 0; ; n++ {
		if bad() {
			t.Fatalf("look %d saw %s", n, what)
		}
		select {
		case <-until:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}
