package awsrules

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Need is a permission that a call needs, with the condition keys that its request
// has for that.
type Need struct {
	Action  string
	Place   Place // the key is "" for the bucket itself
	Context map[string][]string
}

// Facts are what the rules have to know about objects.
type Facts interface {
	// Tags are an object's; false where the key has none.
	Tags(p Place) (tags map[string]string, exists bool)
	// Annotated reports whether an object has annotations.
	Annotated(p Place) bool
}

// ignored is the value of s3:ExistingObjectTag of a key that nobody has, where the rule
// about those is off: see Judged.
const ignored = "s3:existingobjecttag"

// Needs are the permissions that a call needs: all of them.
func (s Set) Needs(c Call, f Facts) []Need {
	at := Place{c.Bucket, c.Key}
	bucket := Place{Bucket: c.Bucket}
	one := func(action string, p Place) []Need { return []Need{s.need(c, f, action, p)} }
	switch op := c.Op(); op {
	case "ListBuckets", "CreateBucket":
		return nil
	case "HeadBucket", "ListObjects":
		return one("s3:ListBucket", bucket)
	case "ListMultipartUploads":
		return one("s3:ListBucketMultipartUploads", bucket)
	case "ListObjectVersions":
		return one("s3:ListBucketVersions", bucket)
	case "DeleteObjects":
		return nil // key by key: see Deletion
	case "HeadObject", "GetObject":
		return one("s3:"+versioned("GetObject", c), at)
	case "GetObjectAttributes":
		return append(one("s3:GetObject", at), one("s3:GetObjectAttributes", at)...)
	case "DeleteObject":
		return one("s3:"+versioned("DeleteObject", c), at)
	case "UploadPart", "CreateMultipartUpload", "PutObject", "CompleteMultipartUpload":
		return s.putting(c, f, op)
	case "UploadPartCopy", "CopyObject":
		return append(s.putting(c, f, op), s.copying(c, f, op)...)
	case "AbortMultipartUpload":
		return one("s3:AbortMultipartUpload", at)
	case "ListParts":
		return one("s3:ListMultipartUploadParts", at)
	default:
		if setting := c.Setting(); setting != "" {
			verb := "Get"
			if c.Method != http.MethodGet {
				verb = "Put"
				if op == "DeleteBucketPolicy" {
					verb = "Delete"
				}
			}
			return one("s3:"+verb+subresources[setting].permission, bucket)
		}
		if c.Key == "" {
			return one("s3:"+op, bucket)
		}
		if rest, ok := strings.CutPrefix(op, "GetObject"); ok && c.Query.Has("versionId") {
			op = "GetObjectVersion" + rest
		}
		return one("s3:"+op, at)
	}
}

// versioned is an action on one version, where the call names it.
func versioned(action string, c Call) string {
	if c.Query.Has("versionId") {
		return action + "Version"
	}
	return action
}

// Deletion is what DeleteObjects needs for one key.
func (s Set) Deletion(c Call, f Facts, key string) Need {
	return s.need(c, f, "s3:DeleteObject", Place{c.Bucket, key})
}

// Listing is what a caller needs to be told that a key is missing.
func (s Set) Listing(c Call, f Facts) Need {
	n := s.need(c, f, "s3:ListBucket", Place{Bucket: c.Bucket})
	if s[MissingKeyPrefix] {
		n.Context["s3:prefix"] = []string{c.Key}
	}
	return n
}

// putting are the permissions of a request that makes an object, or a part of one.
func (s Set) putting(c Call, f Facts, op string) []Need {
	at := Place{c.Bucket, c.Key}
	all := []Need{s.need(c, f, "s3:PutObject", at)}
	begins := op == "PutObject" || op == "CopyObject" || op == "CreateMultipartUpload"
	if begins && c.CarriesACL() && s[ACLNeedsPutACL] {
		all = append(all, s.need(c, f, "s3:PutObjectAcl", at))
	}
	if begins && c.Header("x-amz-tagging") != "" {
		all = append(all, s.need(c, f, "s3:PutObjectTagging", at))
	}
	if c.Header("x-amz-object-lock-mode") != "" ||
		c.Header("x-amz-object-lock-retain-until-date") != "" {
		all = append(all, s.need(c, f, "s3:PutObjectRetention", at))
	}
	if c.Header("x-amz-object-lock-legal-hold") != "" {
		all = append(all, s.need(c, f, "s3:PutObjectLegalHold", at))
	}
	if c.Header("If-Match") != "" && s[IfMatchNeedsGet] {
		all = append(all, s.need(c, f, "s3:GetObject", at))
	}
	return all
}

// copying are the permissions on the source of a copy, and for its tags and annotations.
func (s Set) copying(c Call, f Facts, op string) []Need {
	version := ""
	if strings.Contains(c.Header("x-amz-copy-source"), "?versionId=") {
		version = "Version"
	}
	all := []Need{s.need(c, f, "s3:GetObject"+version, c.From)}
	if tags, _ := f.Tags(c.From); len(tags) > 0 && op == "CopyObject" && s[CopyNeedsTagging] {
		all = append(all, s.need(c, f, "s3:GetObject"+version+"Tagging", c.From),
			s.need(c, f, "s3:PutObjectTagging", Place{c.Bucket, c.Key}))
	}
	if op == "CopyObject" && s[CopyNeedsAnnotation] &&
		c.Header(AnnotationDirective) != "EXCLUDE" && f.Annotated(c.From) {
		all = append(all, s.need(c, f, "s3:GetObject"+version+"Annotation", c.From),
			s.need(c, f, "s3:PutObjectAnnotation", Place{c.Bucket, c.Key}))
	}
	return all
}

// tagActions are those for which a request has the tags of the object.
// Source: Service Authorization Reference, "Actions, resources, and condition keys for Amazon S3".
var tagActions = map[string]bool{
	"s3:GetObject": true, "s3:GetObjectVersion": true, "s3:GetObjectAcl": true,
	"s3:PutObjectAcl": true, "s3:GetObjectAttributes": true,
	"s3:GetObjectTagging": true, "s3:PutObjectTagging": true, "s3:DeleteObjectTagging": true,
}

// need makes a Need with the condition keys that a request for it has.
func (s Set) need(c Call, f Facts, action string, p Place) Need {
	ctx := map[string][]string{
		"aws:securetransport":  {"false"},
		"aws:currenttime":      {time.Now().UTC().Format(time.RFC3339)},
		"s3:signatureversion":  {"AWS4-HMAC-SHA256"},
		"s3:authtype":          {"REST-HEADER"},
		"aws:principaltype":    {"Account"},
		"aws:principalaccount": {c.Account},
	}
	if c.Account == "" {
		ctx["aws:principaltype"] = []string{"Anonymous"}
		delete(ctx, "aws:principalaccount")
		delete(ctx, "s3:signatureversion")
		delete(ctx, "s3:authtype")
	}
	if c.Secure {
		ctx["aws:securetransport"] = []string{"true"}
		ctx["s3:tlsversion"] = []string{"1.3"}
	}
	set := func(key, value string) {
		if value != "" {
			ctx[key] = []string{value}
		}
	}
	set("aws:principalarn", c.Principal)
	set("aws:sourceip", c.Address)
	set("aws:useragent", c.Header("User-Agent"))
	set("aws:referer", c.Header("Referer"))
	set("s3:versionid", c.Query.Get("versionId"))
	if s[PayloadSigning] {
		set("s3:x-amz-content-sha256", c.Header("x-amz-content-sha256"))
	}
	switch action {
	case "s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads":
		set("s3:prefix", c.Query.Get("prefix"))
		set("s3:delimiter", c.Query.Get("delimiter"))
		set("s3:max-keys", c.Query.Get("max-keys"))
	case "s3:PutObject", "s3:PutObjectAcl", "s3:PutObjectTagging":
		s.uploadContext(c, action, set)
	}
	if tagActions[action] {
		tags, exists := f.Tags(p)
		for name, value := range tags {
			ctx["s3:existingobjecttag/"+strings.ToLower(name)] = []string{value}
		}
		if !exists && !s[MissingKeyTags] {
			ctx[ignored] = []string{"true"}
		}
	}
	return Need{action, p, ctx}
}

// uploadContext adds what a request that makes an object says of it.
func (s Set) uploadContext(c Call, action string, set func(key, value string)) {
	for _, h := range append([]string{
		"x-amz-copy-source", "x-amz-metadata-directive", "x-amz-server-side-encryption",
		"x-amz-server-side-encryption-aws-kms-key-id",
		"x-amz-server-side-encryption-customer-algorithm", "x-amz-storage-class",
		"x-amz-website-redirect-location",
	}, aclHeaders...) {
		set("s3:"+h, c.Header(h))
	}
	if tags, err := url.ParseQuery(c.Header("x-amz-tagging")); err == nil {
		for name := range tags {
			set("s3:requestobjecttag/"+strings.ToLower(name), tags.Get(name))
		}
	}
	if action != "s3:PutObject" {
		return
	}
	set("s3:if-match", c.Header("If-Match"))
	set("s3:if-none-match", c.Header("If-None-Match"))
	if s[CreationOperation] {
		switch c.Op() {
		case "PutObject", "CopyObject", "CompleteMultipartUpload":
			set("s3:objectcreationoperation", "true")
		default:
			set("s3:objectcreationoperation", "false")
		}
	}
}
