package access

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/s3share/s3share/integration/localbucket/internal/bucket"
)

// statements is a bucket policy written in a test.
type statements []struct {
	Effect    string
	Action    []string
	On        string   // what follows the bucket's ARN in the resource
	Who       []string // principals; none is everybody
	Condition map[string]map[string]string
}

func putPolicy(t *testing.T, l bucket.Line, ss statements) {
	t.Helper()
	var list []map[string]any
	for _, s := range ss {
		m := map[string]any{
			"Effect": s.Effect, "Action": s.Action, "Resource": "arn:aws:s3:::" + l.Bucket + s.On, "Principal": "*",
		}
		if len(s.Who) > 0 {
			m["Principal"] = map[string]any{"AWS": s.Who}
		}
		if s.Condition != nil {
			m["Condition"] = s.Condition
		}
		list = append(list, m)
	}
	doc, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": list})
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.S3(l.Owner).PutBucketPolicy(t.Context(),
		&s3.PutBucketPolicyInput{Bucket: &l.Bucket, Policy: aws.String(string(doc))})
	if err != nil {
		t.Fatal(err)
	}
}

// operations are what a party can try; the owner's objects are Submissions/o
// and Delivery/o. Each leaves the bucket as it finds it when it is refused.
var operations = []struct {
	name string
	do   func(p party) error
}{
	{"list", func(p party) error { _, err := p.owners(); return err }},
	{"list uploads", func(p party) error {
		_, err := p.api.ListMultipartUploads(p.t.Context(),
			&s3.ListMultipartUploadsInput{Bucket: &p.bucket})
		return err
	}},
	{"get policy", func(p party) error {
		_, err := p.api.GetBucketPolicy(p.t.Context(), &s3.GetBucketPolicyInput{Bucket: &p.bucket})
		return err
	}},
	{"get Submissions", func(p party) error { return p.get("Submissions/o", "data") }},
	{"get Delivery", func(p party) error { return p.get("Delivery/o", "data") }},
	{"head Submissions", func(p party) error { _, err := p.head("Submissions/o"); return err }},
	{"head missing", func(p party) error { _, err := p.head("Delivery/missing"); return err }},
	{"put Delivery", func(p party) error { return p.put("Delivery/n", "data", fullControl) }},
	{"put Submissions", func(p party) error { return p.put("Submissions/n", "data", fullControl) }},
	{"multipart Delivery", func(p party) error { return p.multipart("Delivery/m", "data", fullControl) }},
	{"multipart Submissions", func(p party) error { return p.multipart("Submissions/m", "data", fullControl) }},
	{"probe Delivery", func(p party) error { return p.probe("Delivery/probe") }},
	{"probe Submissions", func(p party) error { return p.probe("Submissions/probe") }},
	{"copy to Delivery", func(p party) error { return p.copy("Submissions/o", "Delivery/c", fullControl) }},
	{"delete", func(p party) error { return p.delete("Delivery/o") }},
	{"delete many", func(p party) error { return p.deleteMany("Submissions/o", "Submissions/n") }},
}

// TestPolicies tries every operation as every party under every policy.
func TestPolicies(t *testing.T) {
	// What the client may do is allowed; the rest is 403.
	common := []string{"list", "put Delivery", "multipart Delivery", "probe Delivery"}
	anywhere := []string{"put Submissions", "multipart Submissions", "probe Submissions"}
	reading := []string{"get Submissions", "head Submissions", "copy to Delivery"}
	all := slices.Concat(common, anywhere, reading, []string{"get Delivery", "head missing"})
	for policy, allowed := range map[string][]string{
		"article": all,
		"dropbox": slices.Concat(common, anywhere),
		"folders": slices.Concat(common, reading, []string{"get Delivery", "head missing"}),
		"full":    slices.Concat(all, []string{"delete", "delete many"}),
	} {
		t.Run(policy, func(t *testing.T) {
			l := newBucket(t, policy, types.ObjectOwnershipObjectWriter)
			owner, client, third := parties(t, l)
			for _, key := range []string{"Submissions/o", "Delivery/o"} {
				want(t, "owner's put of "+key, owner.put(key, "data", ""), "OK")
			}
			for _, op := range operations {
				want(t, "third's "+op.name, op.do(third), refused(op.name))
				outcome := refused(op.name)
				if slices.Contains(allowed, op.name) {
					outcome = success(op.name)
				}
				if why := rgwDiffers[[2]string{policy, op.name}]; onRGW() && why.rgw != "" {
					outcome = why.rgw
				}
				want(t, "client's "+op.name, op.do(client), outcome)
			}
			for _, key := range []string{"Submissions/o", "Delivery/o"} {
				want(t, "owner's put of "+key, owner.put(key, "data", ""), "OK")
			}
			for _, op := range operations {
				want(t, "owner's "+op.name, op.do(owner), success(op.name))
			}
		})
	}
}

// rgwDiffers is where RGW is known to answer the client in another way, by
// policy and operation.
var rgwDiffers = map[[2]string]outcome{
	{"dropbox", "head missing"}: {"403", "404", "RGW looks for the key before it asks for GetObject"},
	{"full", "delete many"}:     {"OK", "403", "RGW 16 wants DeleteObjects to be allowed on the bucket, not on its keys"},
}

// success is how an operation answers that is allowed.
func success(op string) string {
	if op == "head missing" || strings.HasPrefix(op, "probe") {
		return "404"
	}
	return "OK"
}

// refused is how an operation answers that is not allowed.
func refused(op string) string {
	if op == "delete many" && !onRGW() {
		return "AccessDenied" // key by key; RGW refuses the request as a whole
	}
	return "403"
}

// probe asks for permission to put without changing anything: it sends a part
// of an upload that cannot be.
func (p party) probe(key string) error {
	_, err := p.api.UploadPart(p.t.Context(), &s3.UploadPartInput{
		Bucket: &p.bucket, Key: &key, PartNumber: aws.Int32(1),
		UploadId: aws.String("00000000-0000-0000-0000-000000000000"), Body: strings.NewReader(""),
	})
	return err
}

// keyRefused is the code with which a DeleteObjects that went through says that
// it did not delete a key.
type keyRefused string

func (e keyRefused) Error() string { return string(e) }

func (p party) deleteMany(keys ...string) error {
	in := &s3.DeleteObjectsInput{Bucket: &p.bucket, Delete: &types.Delete{}}
	for _, key := range keys {
		in.Delete.Objects = append(in.Delete.Objects, types.ObjectIdentifier{Key: &key})
	}
	out, err := p.api.DeleteObjects(p.t.Context(), in, func(o *s3.Options) {
		// RGW knows no checksum but this one, and will not do without.
		o.APIOptions = append(o.APIOptions, smithyhttp.AddContentChecksumMiddleware)
	})
	if err != nil {
		return err
	}
	for _, e := range out.Errors {
		return keyRefused(aws.ToString(e.Code))
	}
	return nil
}

// TestOwnUploadsInDropbox: what the client delivers stays its own to read, as
// its ACL says, though the policy lets it read nothing.
func TestOwnUploadsInDropbox(t *testing.T) {
	owner, client, _ := parties(t, newBucket(t, "dropbox", types.ObjectOwnershipObjectWriter))
	want(t, "client's put", client.put("f", "data", fullControl), "OK")
	want(t, "client's get of its own", client.get("f", "data"), "OK")
	want(t, "owner's get", owner.get("f", "data"), "OK")
	want(t, "owner's put over it", owner.put("f", "2", ""), "OK")
	want(t, "client's get of the owner's", client.get("f", "2"), "403")
}

// TestACLCondition is a policy that demands the ACL of every put.
func TestACLCondition(t *testing.T) {
	demand := func(operator string) map[string]map[string]string {
		return map[string]map[string]string{operator: {"s3:x-amz-acl": fullControl}}
	}
	l := newBucket(t, "article", types.ObjectOwnershipObjectWriter)
	put, who := []string{"s3:PutObject"}, []string{l.Client.Principal}
	for name, policy := range map[string]statements{
		"allow": {{"Allow", put, "/*", who, demand("StringEquals")}},
		"deny":  {{"Allow", put, "/*", who, nil}, {"Deny", put, "/*", who, demand("StringNotEquals")}},
	} {
		t.Run(name, func(t *testing.T) {
			putPolicy(t, l, policy)
			_, client, _ := parties(t, l)
			want(t, "put without", client.put("f", "data", ""), "403")
			want(t, "put private", client.put("f", "data", "private"), "403")
			want(t, "put with", client.put("f", "data", fullControl), "OK")
			const noCondition = "RGW 16 does not tell the condition the ACL of a copy or an upload"
			missing := func(want string) outcome { // as if there were no ACL
				return outcome{want,
					map[string]string{"allow": "403", "deny": "OK"}[name], noCondition}
			}
			want(t, "copy without", client.copy("f", "g", ""), missing("403").here())
			want(t, "copy with", client.copy("f", "g", fullControl), missing("OK").here())
			want(t, "multipart without", client.multipart("f", "data", ""), "403")
			want(t, "multipart with", client.multipart("f", "data", fullControl),
				outcome{"OK", "403", noCondition}.here())
		})
	}
}

// TestAnonymous reads without credentials what an ACL opens to all.
func TestAnonymous(t *testing.T) {
	l := newBucket(t, "article", types.ObjectOwnershipObjectWriter)
	_, client, _ := parties(t, l)
	want(t, "put", client.put("open", "data", "public-read"), "OK")
	want(t, "put", client.put("shut", "data", "authenticated-read"), "OK")
	for path, status := range map[string]int{"/open": 200, "/shut": 403,
		"": 403, "/open?acl": 403} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
			l.Endpoint+"/"+l.Bucket+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != status {
			t.Errorf("get of %q = %d, want %d", path, res.StatusCode, status)
		}
	}
}

// TestExpectedBucketOwner refuses a request that takes the bucket for another's.
func TestExpectedBucketOwner(t *testing.T) {
	if onRGW() {
		t.Skip("RGW 16 ignores x-amz-expected-bucket-owner")
	}
	l := newBucket(t, "article", types.ObjectOwnershipObjectWriter)
	owner, _, _ := parties(t, l)
	want(t, "put", owner.put("f", "data", ""), "OK")
	for id, outcome := range map[string]string{l.Owner.AccountID: "OK", l.Client.AccountID: "403"} {
		want(t, "put", owner.put("f", "data",
			"", func(in *s3.PutObjectInput) { in.ExpectedBucketOwner = &id }), outcome)
		_, err := owner.api.HeadBucket(t.Context(),
			&s3.HeadBucketInput{Bucket: &l.Bucket, ExpectedBucketOwner: &id})
		want(t, "head of the bucket", err, outcome)
		_, err = owner.api.ListObjectsV2(t.Context(),
			&s3.ListObjectsV2Input{Bucket: &l.Bucket, ExpectedBucketOwner: &id})
		want(t, "list", err, outcome)
		want(t, "copy", owner.copy("f", "g",
			"", func(in *s3.CopyObjectInput) { in.ExpectedSourceBucketOwner = &id }), outcome)
	}
}
