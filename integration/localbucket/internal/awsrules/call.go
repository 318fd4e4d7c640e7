package awsrules

import (
	"net/http"
	"net/url"
	"strings"
)

// Call is a request as the rules see it.
type Call struct {
	Method string
	Query  url.Values
	Header func(name string) string // "" for one that is absent

	Bucket, Key string
	From        Place    // of a copy: its source
	Keys        []string // of DeleteObjects

	Account   string // of the caller, "" for an anonymous one
	Principal string // the caller's ARN
	Address   string // the caller's
	Secure    bool   // it came over TLS
}

// Place is a bucket and a key.
type Place struct{ Bucket, Key string }

// subresources are the settings of a bucket, by their name in a query, with the names
// of the operations and of the permissions without Get and Put.
var subresources = map[string]struct{ op, permission string }{
	"policy":            {"BucketPolicy", "BucketPolicy"},
	"publicAccessBlock": {"PublicAccessBlock", "BucketPublicAccessBlock"},
	"ownershipControls": {"BucketOwnershipControls", "BucketOwnershipControls"},
	"encryption":        {"BucketEncryption", "EncryptionConfiguration"},
	"lifecycle":         {"BucketLifecycleConfiguration", "LifecycleConfiguration"},
	"requestPayment":    {"BucketRequestPayment", "BucketRequestPayment"},
	"versioning":        {"BucketVersioning", "BucketVersioning"},
	"acl":               {"BucketAcl", "BucketAcl"},
	"object-lock":       {"ObjectLockConfiguration", "BucketObjectLockConfiguration"},
	"tagging":           {"BucketTagging", "BucketTagging"},
	"cors":              {"BucketCors", "BucketCORS"},
	"location":          {"BucketLocation", "BucketLocation"},
}

// Setting is the subresource of the bucket that the call is about, "" for none.
func (c Call) Setting() string {
	if c.Key != "" {
		return ""
	}
	for name := range subresources {
		if c.Query.Has(name) {
			return name
		}
	}
	return ""
}

// Op is S3's name of the operation.
func (c Call) Op() string {
	switch {
	case c.Bucket == "":
		return "ListBuckets"
	case c.Key == "":
		return c.bucketOp()
	}
	return c.objectOp()
}

func (c Call) bucketOp() string {
	if s := c.Setting(); s != "" {
		return map[string]string{http.MethodGet: "Get", http.MethodPut: "Put",
			http.MethodDelete: "Delete"}[c.Method] + subresources[s].op
	}
	switch c.Method {
	case http.MethodPut:
		return "CreateBucket"
	case http.MethodHead:
		return "HeadBucket"
	case http.MethodDelete:
		return "DeleteBucket"
	case http.MethodPost:
		return "DeleteObjects"
	}
	switch {
	case c.Query.Has("uploads"):
		return "ListMultipartUploads"
	case c.Query.Has("versions"):
		return "ListObjectVersions"
	}
	return "ListObjects"
}

func (c Call) objectOp() string {
	copies := c.Header("X-Amz-Copy-Source") != ""
	for _, sub := range []struct{ query, op string }{
		{"acl", "ObjectAcl"}, {"tagging", "ObjectTagging"}, {"retention",
			"ObjectRetention"}, {"legal-hold", "ObjectLegalHold"},
	} {
		if c.Query.Has(sub.query) {
			return map[string]string{http.MethodGet: "Get", http.MethodPut: "Put",
				http.MethodDelete: "Delete"}[c.Method] + sub.op
		}
	}
	if c.Query.Has("annotation") {
		if c.Method == http.MethodGet && !c.Query.Has("annotationName") {
			return "ListObjectAnnotations"
		}
		return map[string]string{http.MethodGet: "Get", http.MethodPut: "Put",
			http.MethodDelete: "Delete"}[c.Method] + "ObjectAnnotation"
	}
	switch c.Method {
	case http.MethodPut:
		switch {
		case c.Query.Has("partNumber") && copies:
			return "UploadPartCopy"
		case c.Query.Has("partNumber"):
			return "UploadPart"
		case copies:
			return "CopyObject"
		}
		return "PutObject"
	case http.MethodPost:
		switch {
		case c.Query.Has("uploads"):
			return "CreateMultipartUpload"
		case c.Query.Has("restore"):
			return "RestoreObject"
		}
		return "CompleteMultipartUpload"
	case http.MethodDelete:
		if c.Query.Has("uploadId") {
			return "AbortMultipartUpload"
		}
		return "DeleteObject"
	case http.MethodHead:
		return "HeadObject"
	}
	switch {
	case c.Query.Has("uploadId"):
		return "ListParts"
	case c.Query.Has("attributes"):
		return "GetObjectAttributes"
	}
	return "GetObject"
}

// AnnotationDirective is the header by which a copy says whether it takes the annotations of its
// source.
const AnnotationDirective = "X-Amz-Object-Annotation-Directive"

// aclHeaders are those by which a request carries an ACL.
var aclHeaders = []string{
	"x-amz-acl", "x-amz-grant-full-control", "x-amz-grant-read", "x-amz-grant-read-acp",
	"x-amz-grant-write", "x-amz-grant-write-acp",
}

// CarriesACL reports whether the request carries an ACL.
func (c Call) CarriesACL() bool {
	for _, h := range aclHeaders {
		if c.Header(h) != "" {
			return true
		}
	}
	return false
}

// HasChecksum reports whether the request says what its payload has to be.
func (c Call) HasChecksum() bool {
	for _, h := range []string{
		"Content-Md5", "x-amz-checksum-crc32", "x-amz-checksum-crc32c",
		"x-amz-checksum-crc64nvme", "x-amz-checksum-sha1",
		"x-amz-checksum-sha256", "x-amz-trailer",
	} {
		if c.Header(h) != "" {
			return true
		}
	}
	return false
}

// CopySource reads x-amz-copy-source: "/bucket/key", or "arn:...:accesspoint/NAME/object/key".
func CopySource(header string) (Place, bool) {
	header, _, _ = strings.Cut(header, "?versionId=")
	text, err := url.QueryUnescape(strings.TrimPrefix(header, "/"))
	if err != nil {
		return Place{}, false
	}
	if point, key, ok := strings.Cut(text, "/object/"); ok && strings.HasPrefix(point, "arn:") {
		return Place{point, key}, true
	}
	bucket, key, ok := strings.Cut(text, "/")
	return Place{bucket, key}, ok && key != ""
}
