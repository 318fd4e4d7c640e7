package awsrules

import (
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/s3share/s3share/integration/localbucket/internal/iam"
)

// TestParse reads lists of rules.
func TestParse(t *testing.T) {
	for _, tt := range []struct {
		text     string
		has, not []Rule
		fails    bool
	}{
		{text: "", not: []Rule{Archived}},
		{text: "all", has: []Rule{Archived, RequesterPays}},
		{text: "archived,requester-pays", has: []Rule{Archived, RequesterPays}, not: []Rule{Partitions}},
		{text: "-archived", has: []Rule{RequesterPays}, not: []Rule{Archived}},
		{text: "all,-archived,-partitions", has: []Rule{RequesterPays}, not: []Rule{Archived, Partitions}},
		{text: "archive", fails: true},
		{text: "-all", fails: true},
	} {
		s, err := Parse(tt.text)
		if (err != nil) != tt.fails {
			t.Errorf("Parse(%q) = %v", tt.text, err)
		}
		for _, r := range tt.has {
			if !s[r] {
				t.Errorf("Parse(%q) lacks %s", tt.text, r)
			}
		}
		for _, r := range tt.not {
			if s[r] {
				t.Errorf("Parse(%q) has %s", tt.text, r)
			}
		}
	}
}

// TestEveryRuleHasItsSource keeps what no document says out.
func TestEveryRuleHasItsSource(t *testing.T) {
	for r, doc := range Docs {
		if doc.Means == "" || doc.Source == "" {
			t.Errorf("%s lacks a meaning or a source", r)
		}
	}
}

type tags map[Place]map[string]string

func (t tags) Tags(p Place) (map[string]string, bool) { all, ok := t[p]; return all, ok }

func (t tags) Annotated(p Place) bool { return p.Key == "annotated" }

// call makes a call of the client's of "METHOD /bucket/key?query" with headers
// "Name: value".
func call(request string, headers ...string) Call {
	method, target, _ := strings.Cut(request, " ")
	u, err := url.Parse(target)
	if err != nil {
		panic(err)
	}
	h := http.Header{}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		h.Set(name, value)
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	c := Call{Method: method, Query: u.Query(), Header: h.Get, Bucket: bucket, Key: key,
		Account: "2", Principal: "arn:aws:iam::2:root"}
	if source := h.Get("X-Amz-Copy-Source"); source != "" {
		c.From, _ = CopySource(source)
	}
	return c
}

// TestNeeds tells what each operation needs, with all rules and without the one
// that is named.
func TestNeeds(t *testing.T) {
	facts := tags{{"b", "tagged"}: {"a": "1"}, {"b", "plain"}: {}, {"b", "annotated"}: {}}
	const acl = "X-Amz-Acl: bucket-owner-full-control"
	for _, tt := range []struct {
		name    string
		call    Call
		op      string
		needs   string
		rule    Rule
		without string
	}{
		{"small put", call("PUT /b/k", acl, "If-None-Match: *"), "PutObject", "PutObject PutObjectAcl", ACLNeedsPutACL, "PutObject"},
		{"replacing put", call("PUT /b/k", `If-Match: "e"`), "PutObject", "PutObject GetObject", IfMatchNeedsGet, "PutObject"},
		{"put with tags", call("PUT /b/k", "X-Amz-Tagging: a=1"), "PutObject", "PutObject PutObjectTagging", "", ""},
		{"begin", call("POST /b/k?uploads", acl), "CreateMultipartUpload", "PutObject PutObjectAcl", ACLNeedsPutACL, "PutObject"},
		{"part", call("PUT /b/k?partNumber=1&uploadId=u"), "UploadPart", "PutObject", "", ""},
		{"copied part", call("PUT /b/k?partNumber=1&uploadId=u", "X-Amz-Copy-Source: b/plain"), "UploadPartCopy", "PutObject GetObject", "", ""},
		{"complete", call("POST /b/k?uploadId=u", `If-Match: "e"`), "CompleteMultipartUpload", "PutObject GetObject", IfMatchNeedsGet, "PutObject"},
		{"copy", call("PUT /b/k", "X-Amz-Copy-Source: /b/plain"), "CopyObject", "PutObject GetObject", "", ""},
		{"copy of a tagged object", call("PUT /b/k", "X-Amz-Copy-Source: b/tagged"), "CopyObject",
			"PutObject GetObject GetObjectTagging PutObjectTagging", CopyNeedsTagging, "PutObject GetObject"},
		{"copy of an annotated object", call("PUT /b/k", "X-Amz-Copy-Source: b/annotated"), "CopyObject",
			"PutObject GetObject GetObjectAnnotation PutObjectAnnotation", CopyNeedsAnnotation, "PutObject GetObject"},
		{"copy without annotations", call("PUT /b/k", "X-Amz-Copy-Source: b/annotated", "X-Amz-Object-Annotation-Directive: EXCLUDE"), "CopyObject",
			"PutObject GetObject", "", ""},
		{"annotations", call("GET /b/k?annotation&max-annotation-results=1"), "ListObjectAnnotations", "ListObjectAnnotations", "", ""},
		{"annotation", call("GET /b/k?annotation&annotationName=a"), "GetObjectAnnotation", "GetObjectAnnotation", "", ""},
		{"annotate", call("PUT /b/k?annotation&annotationName=a"), "PutObjectAnnotation", "PutObjectAnnotation", "", ""},
		{"annotation removed", call("DELETE /b/k?annotation&annotationName=a"), "DeleteObjectAnnotation", "DeleteObjectAnnotation", "", ""},
		{"delete", call("DELETE /b/k"), "DeleteObject", "DeleteObject", "", ""},
		{"head", call("HEAD /b/k"), "HeadObject", "GetObject", "", ""},
		{"version", call("GET /b/k?versionId=v"), "GetObject", "GetObjectVersion", "", ""},
		{"list", call("GET /b?list-type=2&prefix=p"), "ListObjects", "ListBucket", "", ""},
		{"tags of a version", call("GET /b/k?tagging&versionId=v"), "GetObjectTagging", "GetObjectVersionTagging", "", ""},
		{"versions", call("GET /b?versions&prefix=k"), "ListObjectVersions", "ListBucketVersions", "", ""},
		{"copy of a version", call("PUT /b/k", "X-Amz-Copy-Source: b/plain?versionId=v"), "CopyObject", "PutObject GetObjectVersion", "", ""},
		{"head of the bucket", call("HEAD /b"), "HeadBucket", "ListBucket", "", ""},
		{"policy", call("GET /b?policy"), "GetBucketPolicy", "GetBucketPolicy", "", ""},
		{"public access", call("PUT /b?publicAccessBlock"), "PutPublicAccessBlock", "PutBucketPublicAccessBlock", "", ""},
		{"lifecycle", call("PUT /b?lifecycle"), "PutBucketLifecycleConfiguration", "PutLifecycleConfiguration", "", ""},
		{"abort", call("DELETE /b/k?uploadId=u"), "AbortMultipartUpload", "AbortMultipartUpload", "", ""},
		{"parts", call("GET /b/k?uploadId=u"), "ListParts", "ListMultipartUploadParts", "", ""},
		{"ACL", call("PUT /b/k?acl", acl), "PutObjectAcl", "PutObjectAcl", "", ""},
		{"tags", call("GET /b/k?tagging"), "GetObjectTagging", "GetObjectTagging", "", ""},
		{"create", call("PUT /b"), "CreateBucket", "", "", ""},
		{"buckets", call("GET /"), "ListBuckets", "", "", ""},
	} {
		if op := tt.call.Op(); op != tt.op {
			t.Errorf("%s is %s, want %s", tt.name, op, tt.op)
		}
		actions := func(s Set) string {
			var all []string
			for _, n := range s.Needs(tt.call, facts) {
				all = append(all, strings.TrimPrefix(n.Action, "s3:"))
			}
			return strings.Join(all, " ")
		}
		if got := actions(All()); got != tt.needs {
			t.Errorf("%s needs %q, want %q", tt.name, got, tt.needs)
		}
		if tt.rule != "" && actions(All().Without(tt.rule)) != tt.without {
			t.Errorf("%s, without %s, needs %q, want %q", tt.name,
				tt.rule, actions(All().Without(tt.rule)), tt.without)
		}
	}
}

// TestContext tells which condition keys a request has.
func TestContext(t *testing.T) {
	facts := tags{{"b", "tagged"}: {"Scan": "clean"}}
	for _, tt := range []struct {
		name      string
		call      Call
		key, want string
	}{
		{"put", call("PUT /b/k", "If-None-Match: *"), "s3:if-none-match", "*"},
		{"put", call("PUT /b/k", "X-Amz-Acl: private"), "s3:x-amz-acl", "private"},
		{"part", call("PUT /b/k?partNumber=1&uploadId=u"), "s3:x-amz-acl", ""},
		{"put", call("PUT /b/k"), "s3:objectcreationoperation", "true"},
		{"complete", call("POST /b/k?uploadId=u"), "s3:objectcreationoperation", "true"},
		{"begin", call("POST /b/k?uploads"), "s3:objectcreationoperation", "false"},
		{"part", call("PUT /b/k?partNumber=1&uploadId=u"), "s3:objectcreationoperation", "false"},
		{"part", call("PUT /b/k?partNumber=1&uploadId=u", "X-Amz-Content-Sha256: UNSIGNED-PAYLOAD"), "s3:x-amz-content-sha256", "UNSIGNED-PAYLOAD"},
		{"list", call("GET /b?list-type=2&prefix=p/"), "s3:prefix", "p/"},
		{"get", call("GET /b/tagged"), "s3:existingobjecttag/scan", "clean"},
		{"get", call("GET /b/missing"), "s3:existingobjecttag/scan", ""},
		{"get", call("GET /b/k"), "aws:securetransport", "false"},
	} {
		n := All().Needs(tt.call, facts)[0]
		if got := strings.Join(n.Context[tt.key], " "); got != tt.want {
			t.Errorf("%s of %s is %q, want %q", tt.key, tt.name, got, tt.want)
		}
	}
	if got := All().Listing(call("GET /b/missing"),
		facts).Context["s3:prefix"]; !slices.Equal(got, []string{"missing"}) {
		t.Errorf("a missing key is asked for with the prefix %q", got)
	}
	if got := All().Without(MissingKeyPrefix).Listing(call("GET /b/missing"),
		facts).Context["s3:prefix"]; got != nil {
		t.Errorf("without the rule a missing key is asked for with the prefix %q", got)
	}
}

// TestCheckPolicy refuses what S3 calls malformed.
func TestCheckPolicy(t *testing.T) {
	known := func(account string) bool { return account == "2" }
	statement := func(s string) string {
		return `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", ` + s + `}]}`
	}
	for _, tt := range []struct {
		text      string
		partition string
		ok        bool
	}{
		{statement(`"Principal": {"AWS": "arn:aws:iam::2:root"}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"`), "aws", true},
		{statement(`"Principal": {"AWS": "2"}, "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"]`), "aws", true},
		{statement(`"Principal": {"AWS": "arn:aws:iam::3:root"}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"`), "aws", false},
		{statement(`"Principal": {"AWS": "arn:aws:iam::2:root"}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"`), "aws-cn", false},
		{statement(`"Principal": {"AWS": "arn:aws-cn:iam::2:root"}, "Action": "s3:GetObject", "Resource": "arn:aws-cn:s3:::b/*"`), "aws-cn", true},
		{statement(`"Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::other/*"`), "aws", false},
		{statement(`"Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b"`), "aws", false},
		{statement(`"Principal": "*", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b/*"`), "aws", false},
		{statement(`"Principal": "*", "Action": "s3:AbortMultipartUpload", "Resource": "arn:aws:s3:::b/*"`), "aws", true},
		{statement(`"Principal": "*", "Action": "ec2:RunInstances", "Resource": "arn:aws:s3:::b/*"`), "aws", false},
		{statement(`"Principal": "*", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"Bool": {"s3:ObjectCreationOperation": "true"}, "Null": {"s3:x-amz-acl": "false"}}`), "aws", true},
		{statement(`"Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"StringEquals": {"s3:x-amz-acl": "private"}}`), "aws", false},
		{statement(`"Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"StringEquals": {"s3:colour": "red"}}`), "aws", false},
		{statement(`"Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"StringEquals": {"s3:ExistingObjectTag/scan": "clean"}}`), "aws", true},
		{statement(`"Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"`), "aws", false},
	} {
		d, err := iam.Parse([]byte(tt.text))
		if err == nil {
			err = All().CheckPolicy(d, "b", tt.partition, known)
		}
		if (err == nil) != tt.ok {
			t.Errorf("%s in %s: %v", tt.text, tt.partition, err)
		}
	}
}

// TestCopySource reads where a copy comes from.
func TestCopySource(t *testing.T) {
	for header, want := range map[string]Place{
		"b/k":             {"b", "k"},
		"/b/a%20b":        {"b", "a b"},
		"b%2Fk":           {"b", "k"},
		"b/k?versionId=1": {"b", "k"},
		"arn:aws:s3:us-east-1:1:accesspoint/p/object/a/k": {"arn:aws:s3:us-east-1:1:accesspoint/p", "a/k"},
	} {
		if got, ok := CopySource(header); !ok || got != want {
			t.Errorf("CopySource(%q) = %v, %t", header, got, ok)
		}
	}
}

// TestPageListsEveryRule keeps the table of docs/access.md as it is here.
func TestPageListsEveryRule(t *testing.T) {
	page, err := os.ReadFile("../../../../docs/access.md")
	if err != nil {
		t.Fatal(err)
	}
	for r, doc := range Docs {
		if row := "| `" + string(r) + "` | " + doc.Means + " | " +
			doc.Source + " |\n"; !strings.Contains(string(page), row) {
			t.Errorf("docs/access.md lacks the row\n%s", row)
		}
	}
}
