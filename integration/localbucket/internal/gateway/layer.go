package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/valyala/fasthttp"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"

	"github.com/s3share/s3share/integration/localbucket/internal/awsrules"
	"github.com/s3share/s3share/integration/localbucket/internal/objacl"
)

// layer adds object ownership and object ACLs to a backend that has neither.
// The gateway has let a request pass when it reaches the layer: by the bucket
// policy, or by what EvaluatePolicy says. The layer then holds the request
// against the object: a bucket policy reaches only the objects that the
// bucket's owner owns; for all others their ACL decides.
type layer struct {
	backend.Backend
	accounts *accounts
	store    *store
	aws      *aws
}

// request is the HTTP request that a call of the backend serves.
func request(ctx context.Context) *fasthttp.RequestCtx {
	r, _ := ctx.(*fasthttp.RequestCtx)
	return r
}

// header returns a header of the request that ctx is of, "" without one.
func header(ctx context.Context, name string) string {
	if r := request(ctx); r != nil {
		return string(r.Request.Header.Peek(name))
	}
	return ""
}

// target is the bucket and the key that a request names, as its client wrote
// them: fasthttp's own path has been decoded once too often for some keys. A host name
// that names the bucket goes before the path.
func target(r *fasthttp.RequestCtx) (bucketName, key string) {
	path, _, _ := strings.Cut(string(r.Request.Header.RequestURI()), "?")
	path, err := url.PathUnescape(path)
	if err != nil {
		return "", ""
	}
	if bucketName, ok := r.UserValue(routed).(string); ok {
		return bucketName, strings.TrimPrefix(path, "/")
	}
	bucketName, key, _ = strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return bucketName, key
}

// caller is the account id of who made the request, "" when anonymous.
func (l *layer) caller(ctx context.Context) string {
	acct, _ := ctx.Value("account").(auth.Account)
	return l.accounts.id(acct.Access)
}

// acl is the request as far as it is about the ACL of the object it makes.
func (l *layer) acl(ctx context.Context, bucketName string) objacl.Request {
	return objacl.Request{
		Header:      l.aclHeader(ctx, bucketName),
		Known:       l.accounts.known,
		Caller:      l.caller(ctx),
		BucketOwner: l.store.bucketOwner(bucketName),
		Ownership:   l.store.ownership(bucketName),
	}
}

// aclHeader reads the headers of a request's ACL. Where nothing refuses ACLs in a bucket
// that has them off, there are none.
func (l *layer) aclHeader(ctx context.Context, bucketName string) func(name string) string {
	if v := verdictOf(ctx); v != nil && !v.rules[awsrules.EnforcedRefusesACLs] &&
		l.store.ownership(bucketName) == objacl.Enforced {
		return func(string) string { return "" }
	}
	return func(name string) string { return header(ctx, name) }
}

// objectACL is the ACL that is in force on an object: under Enforced every
// object is the bucket owner's, whatever is stored with it.
func (l *layer) objectACL(bucketName, key string) (objacl.ACL, bool) {
	acl, ok := l.store.acl(bucketName, key)
	if ok && l.store.ownership(bucketName) == objacl.Enforced {
		return objacl.Private(l.store.bucketOwner(bucketName)), true
	}
	return acl, ok
}

// reach refuses the request what the object's ACL does not let it do. A key
// without an object is left to the backend, which says that it is missing.
func (l *layer) reach(ctx context.Context, bucketName, key string, need objacl.Permission) error {
	acl, ok := l.objectACL(bucketName, key)
	if !ok || acl.Owner == l.store.bucketOwner(bucketName) || acl.Allows(l.caller(ctx), need) {
		return nil
	}
	return s3err.GetAPIError(s3err.ErrAccessDenied)
}

// reachVersion is reach for one version, which has an ACL of its own.
func (l *layer) reachVersion(ctx context.Context, bucketName, key, version string,
	need objacl.Permission) error {
	if version == "" || l.store.ownership(bucketName) == objacl.Enforced {
		return l.reach(ctx, bucketName, key, need)
	}
	out, err := l.Backend.HeadObject(ctx,
		&s3.HeadObjectInput{Bucket: &bucketName, Key: &key, VersionId: &version})
	if err != nil {
		return nil // the backend returns why
	}
	var acl objacl.ACL
	if err := json.Unmarshal([]byte(out.Metadata[metaACL]), &acl); err != nil {
		return s3err.GetAPIError(s3err.ErrAccessDenied)
	}
	if acl.Owner == l.store.bucketOwner(bucketName) || acl.Allows(l.caller(ctx), need) {
		return nil
	}
	return s3err.GetAPIError(s3err.ErrAccessDenied)
}

// aclError gives a refused ACL its S3 code.
func aclError(err error) error {
	api := func(code string) error {
		return s3err.APIError{Code: code, Description: err.Error(),
			HTTPStatusCode: http.StatusBadRequest}
	}
	switch {
	case errors.Is(err, objacl.ErrNotSupported):
		return api("AccessControlListNotSupported")
	case errors.Is(err, objacl.ErrBoth):
		return api("InvalidRequest")
	case errors.Is(err, objacl.ErrCanned), errors.Is(err, objacl.ErrGrant):
		return api("InvalidArgument")
	case errors.Is(err, objacl.ErrMalformed):
		return api("MalformedACLError")
	}
	return err
}

// CreateBucket implements backend.Backend. The gateway names the owner by
// access key; buckets are owned by accounts.
func (l *layer) CreateBucket(ctx context.Context, in *s3.CreateBucketInput, raw []byte) error {
	acl, err := auth.ParseACL(raw)
	if err != nil {
		return err
	}
	owner := l.accounts.id(acl.Owner)
	for i := range acl.Grantees {
		if acl.Grantees[i].Access == acl.Owner {
			acl.Grantees[i].Access = owner
		}
	}
	acl.Owner = owner
	if raw, err = json.Marshal(acl); err != nil {
		return err
	}
	err = l.Backend.CreateBucket(ctx, in, raw)
	if err != nil && owner != "" && l.store.bucketOwner(*in.Bucket) == owner {
		return s3err.GetBucketErr(s3err.ErrBucketAlreadyOwnedByYou, *in.Bucket)
	}
	return err
}

// ListBuckets implements backend.Backend.
func (l *layer) ListBuckets(ctx context.Context,
	in s3response.ListBucketsInput) (s3response.ListAllMyBucketsResult, error) {
	in.Owner = l.accounts.id(in.Owner)
	return l.Backend.ListBuckets(ctx, in)
}

// GetBucketAcl implements backend.Backend. The gateway asks for it once a
// request's signature has been verified and before the policy is evaluated,
// which is where a part takes over the canned ACL of its upload: a condition on
// s3:x-amz-acl is about the object that the upload makes. What has been judged by the
// rules of AWS is made its caller's here.
func (l *layer) GetBucketAcl(ctx context.Context, in *s3.GetBucketAclInput) ([]byte, error) {
	r := request(ctx)
	if v := verdictOf(ctx); v != nil {
		asCaller(r, v)
	} else if r != nil && len(r.Request.Header.Peek("X-Amz-Acl")) == 0 {
		_, key := target(r)
		upload := string(r.QueryArgs().Peek("uploadId"))
		if canned := l.store.upload(*in.Bucket, key, upload)[metaCanned]; canned != "" {
			r.Request.Header.Set("X-Amz-Acl", canned)
		}
	}
	return l.Backend.GetBucketAcl(ctx, in)
}

// NormalizeObjectKey implements backend.Backend: it is what policies see of a
// key. A folder's key keeps its slash, or no pattern of what is in the folder
// would match the folder itself.
func (l *layer) NormalizeObjectKey(bucketName, key string) string {
	norm := l.Backend.NormalizeObjectKey(bucketName, key)
	if norm != "" && strings.HasSuffix(key, "/") {
		norm += "/"
	}
	return norm
}
