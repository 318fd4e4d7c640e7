package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/gofiber/fiber/v3"
	"github.com/versity/versitygw/s3err"

	"github.com/s3share/s3share/integration/localbucket/internal/awsrules"
)

// Entries that the layer adds to an object's user metadata under the rules of AWS.
const (
	metaClass    = ":class"    // its storage class; none for STANDARD
	metaRestored = ":restored" // an archived object can be read
	metaCustomer = ":customer" // it is encrypted with a key of the customer's
)

const customerAlgorithm = "X-Amz-Server-Side-Encryption-Customer-Algorithm"

// stored adds to the metadata of a new object how the request wants it stored.
func (l *layer) stored(ctx context.Context, m map[string]string) map[string]string {
	if verdictOf(ctx) == nil {
		return m
	}
	if class := header(ctx, "X-Amz-Storage-Class"); class != "" &&
		class != string(types.StorageClassStandard) {
		m[metaClass] = class
	}
	if header(ctx, customerAlgorithm) != "" {
		m[metaCustomer] = "true"
	}
	return m
}

// readable refuses what the way in which an object is stored does not let a request
// have. copies tells that the object is the source of a copy; data that its bytes are
// asked for.
func (l *layer) readable(ctx context.Context, bucketName, key string, copies, data bool) error {
	v := verdictOf(ctx)
	if v == nil {
		return nil
	}
	m, err := l.store.metadata(bucketName, key)
	if err != nil {
		return nil // there is no such object
	}
	algorithm := customerAlgorithm
	if copies {
		algorithm = "X-Amz-Copy-Source-Server-Side-Encryption-Customer-Algorithm"
	}
	archived := strings.HasPrefix(m[metaClass], "GLACIER") && m[metaClass] != "GLACIER_IR" ||
		m[metaClass] == "DEEP_ARCHIVE"
	switch {
	case v.rules[awsrules.CustomerKeys] && m[metaCustomer] != "" && header(ctx, algorithm) == "":
		return apiError(http.StatusBadRequest, "InvalidRequest",
			"The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.")
	case !v.rules[awsrules.Archived] || !archived || m[metaRestored] != "" || !data:
		return nil
	case copies:
		return apiError(http.StatusForbidden, "ObjectNotInActiveTierError",
			"The source object of the COPY operation is not in the active tier and is only stored in Amazon S3 Glacier.")
	}
	return apiError(http.StatusForbidden, "InvalidObjectState",
		"The operation is not valid for the object's storage class")
}

// class is the storage class of an object as the gateway shows it.
func (l *layer) class(bucketName, key string) types.StorageClass {
	m, err := l.store.metadata(bucketName, key)
	if err != nil || m[metaClass] == "" {
		return types.StorageClassStandard
	}
	return types.StorageClass(m[metaClass])
}

// RestoreObject implements backend.Backend: what is archived can be read at once.
func (l *layer) RestoreObject(ctx context.Context, in *s3.RestoreObjectInput) error {
	if verdictOf(ctx) == nil {
		return l.Backend.RestoreObject(ctx, in)
	}
	if _, ok := l.store.acl(*in.Bucket, *in.Key); !ok {
		return s3err.GetAPIError(s3err.ErrNoSuchKey)
	}
	return l.store.setMetadata(*in.Bucket, *in.Key, metaRestored, "true")
}

// after adds to an answer what AWS tells, and translates ids.
func (l *layer) after(ctx fiber.Ctx, c awsrules.Call, rules awsrules.Set, err error) error {
	if err != nil {
		return err
	}
	res := ctx.Response()
	if res.StatusCode()/100 == 2 && c.Key != "" {
		switch c.Op() {
		case "CreateMultipartUpload":
			if at, rule := l.store.abortDate(c.Bucket); rule != "" {
				res.Header.Set("x-amz-abort-date", at.Format(http.TimeFormat))
				res.Header.Set("x-amz-abort-rule-id", rule)
			}
			fallthrough
		case "PutObject", "CopyObject", "CompleteMultipartUpload",
			"GetObject", "HeadObject", "UploadPart":
			algorithm, key := l.store.encryption(c.Bucket)
			res.Header.Set("x-amz-server-side-encryption", algorithm)
			if key != "" {
				res.Header.Set("x-amz-server-side-encryption-aws-kms-key-id", key)
			}
		}
	}
	if rules[awsrules.CanonicalIDs] && namesAccounts[c.Op()] {
		res.SetBody(accountID.ReplaceAllFunc(res.Body(), func(id []byte) []byte {
			return []byte("<ID>" + canonical(string(id[4:16])) + "</ID>")
		}))
		res.Header.SetContentLength(len(res.Body()))
	}
	return nil
}

// namesAccounts are the operations whose answers name accounts.
var namesAccounts = map[string]bool{
	"ListBuckets": true, "ListObjects": true, "ListParts": true, "ListMultipartUploads": true,
	"ListObjectVersions": true,
	"GetBucketAcl":       true, "GetObjectAcl": true,
}

var accountID = regexp.MustCompile(`<ID>\d{12}</ID>`)

// canonical is the canonical id of an account.
func canonical(account string) string {
	sum := sha256.Sum256([]byte("canonical id of " + account))
	return hex.EncodeToString(sum[:])
}

// translateRequest puts the bucket in the place of its access point in a copy's source,
// and account ids in the place of the canonical ones that a request has in an ACL.
func (l *layer) translateRequest(ctx fiber.Ctx, c awsrules.Call, rules awsrules.Set) {
	if source := ctx.Get("X-Amz-Copy-Source"); strings.Contains(source, "arn") ||
		strings.Contains(source, aliasSuffix) {
		ctx.Request().Header.Set("X-Amz-Copy-Source",
			c.From.Bucket+"/"+strings.ReplaceAll(url.PathEscape(c.From.Key), "+", "%2B"))
	}
	if !rules[awsrules.CanonicalIDs] || !c.CarriesACL() && c.Op() != "PutObjectAcl" {
		return
	}
	plain := func(s string) string {
		for id := range l.accounts.ids {
			s = strings.ReplaceAll(s, canonical(id), id)
		}
		return s
	}
	for _, h := range []string{"full-control", "read", "read-acp", "write", "write-acp"} {
		if v := ctx.Get("x-amz-grant-" + h); v != "" {
			ctx.Request().Header.Set("x-amz-grant-"+h, plain(v))
		}
	}
	if c.Op() == "PutObjectAcl" {
		ctx.Request().SetBody([]byte(plain(string(ctx.BodyRaw()))))
	}
}
