package s3backend

import (
	"strings"
	"time"
)

// Object is one version of an object. A version is immutable: what S3 holds
// under the same key with another ETag is another Object.
type Object struct {
	Key      string
	Size     int64     // bytes
	ETag     string    // opaque, without quotes; "" if S3 sent none
	Modified time.Time // S3's Last-Modified; after a Put or Complete, S3's clock as it answered
	Version  string    // version id; "" where the bucket is not versioned, and always in a listing
	Owner    string    // owner's id, where a listing was asked for it
	Class    string    // storage class; "" if S3 sent none
	Header   *Header   // nil unless it came with a Head or a Get

	// ByVersion has requests for the object ask for the version with this version ID, whatever the
	// key holds now. That takes permissions of its own: s3:GetObjectVersion and its like.
	ByVersion bool
}

// versionID is the version ID that a request for the object names, nil for none.
func (o Object) versionID() *string {
	if !o.ByVersion {
		return nil
	}
	return &o.Version
}

// Header is what travels with an object beside its bytes, and what an edit
// has to keep.
type Header struct {
	ContentType        string
	ContentEncoding    string
	ContentDisposition string
	ContentLanguage    string
	CacheControl       string
	Expires            string            // as received; S3 takes any text
	User               map[string]string // x-amz-meta-*: keys in lower case, without the prefix

	// Class is the object's storage class, "" for STANDARD.
	Class string

	// Tagging is the object's tags as S3 takes them in a request ("a=1&b=2").
	// Head does not fill it, since reading tags is a request and a permission
	// of its own (see Client.Tagging); where it is set, it is sent.
	Tagging string

	// TagCount is how many tags the object has, if S3 sent it. Never sent by us.
	TagCount int
}

// unquote strips the quotes that S3 puts around an ETag. A weak tag (W/"x")
// is left as it is, for it cannot serve in a condition.
func unquote(etag *string) string {
	if etag == nil {
		return ""
	}
	s := *etag
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		return s[1 : len(s)-1]
	}
	return s
}

// quote makes a header's value of an ETag, as RFC 9110 section 8.8.3 wants it.
func quote(etag string) string {
	if strings.HasPrefix(etag, `W/"`) {
		return etag
	}
	return `"` + etag + `"`
}

// opt returns nil for the zero value: a field that is not sent.
func opt[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// val returns the zero value for nil.
func val[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// contentEncoding drops "aws-chunked", which is how a body was sent and which
// some servers store as though it were how the object is encoded.
func contentEncoding(s string) string {
	if !strings.Contains(s, "aws-chunked") {
		return s
	}
	var kept []string
	for _, e := range strings.Split(s, ",") {
		if e = strings.TrimSpace(e); e != "aws-chunked" && e != "" {
			kept = append(kept, e)
		}
	}
	return strings.Join(kept, ",")
}

// userMetadata returns m with its keys in lower case, as S3 keeps them.
func userMetadata(m map[string]string) map[string]string {
	if len(m) == 0 {
		return nil
	}
	low := make(map[string]string, len(m))
	for k, v := range m {
		low[strings.ToLower(k)] = v
	}
	return low
}
