package access

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/s3share/s3share/integration/localbucket/internal/awsrules"
	"github.com/s3share/s3share/integration/localbucket/internal/bucket"
)

// newAWSBucket makes a bucket in which these rules of AWS hold.
func newAWSBucket(t *testing.T, rules awsrules.Set, policy string,
	ownership types.ObjectOwnership) bucket.Line {
	t.Helper()
	if local == nil {
		t.Skip("the rules of AWS are localbucket's")
	}
	l := server
	l.Bucket = "t-" + strings.ToLower(rand.Text()[:16])
	local.SetRules(l.Bucket, rules)
	doc, err := bucket.Policy(policy, l.Bucket, l.Client.Principal)
	if err != nil {
		t.Fatal(err)
	}
	setup(t, l, ownership, doc)
	return l
}

// The names of what may stand in statements of the rules' tests.
const (
	toPut    = "s3:PutObject"
	toPutACL = "s3:PutObjectAcl"
	toGet    = "s3:GetObject"
	toList   = "s3:ListBucket"
)

// A ruled is one rule, and what a request answers with it and without it, all other
// rules being in force.
type ruled struct {
	rule          awsrules.Rule
	name          string
	with, without string
	ownership     types.ObjectOwnership // Writer where left out
	do            func(t *testing.T, l bucket.Line, owner, client party) error
}

// allowing is a policy for the client: actions on all keys, or on the bucket for those
// on buckets.
func allowing(t *testing.T, l bucket.Line, more statements, actions ...string) {
	t.Helper()
	who := []string{l.Client.Principal}
	ss := more
	for _, a := range actions {
		on := "/*"
		if a == toList {
			on = ""
		}
		ss = append(ss, statements{{"Allow", []string{a}, on, who, nil}}...)
	}
	putPolicy(t, l, ss)
}

// denying is a Deny of an action of the client's under a condition.
func denying(l bucket.Line, action, operator, key, value string) statements {
	return statements{{"Deny", []string{action}, "/*", []string{l.Client.Principal},
		map[string]map[string]string{operator: {key: value}}}}
}

var rules = []ruled{
	{
		rule: awsrules.IfMatchNeedsGet, name: "put with If-Match", with: "403", without: "OK",
		do: func(t *testing.T, l bucket.Line, owner, client party) error {
			allowing(t, l, nil, toPut, toPutACL)
			return client.put("f", "new", fullControl,
				func(in *s3.PutObjectInput) { in.IfMatch = aws.String(owner.etag("f")) })
		},
	}, {
		rule: awsrules.IfMatchNeedsGet, name: "put with If-None-Match", with: "OK", without: "OK",
		do: func(t *testing.T, l bucket.Line, _, client party) error {
			allowing(t, l, nil, toPut, toPutACL)
			return client.put("new", "new",
				fullControl, func(in *s3.PutObjectInput) { in.IfNoneMatch = aws.String("*") })
		},
	}, {
		rule: awsrules.IfMatchNeedsGet, name: "complete with If-Match", with: "403", without: "OK",
		do: func(t *testing.T, l bucket.Line, owner, client party) error {
			allowing(t, l, nil, toPut, toPutACL)
			return client.multipart("f", "new", fullControl,
				func(in *s3.CompleteMultipartUploadInput) {
					in.IfMatch = aws.String(owner.etag("f"))
				})
		},
	}, {
		rule: awsrules.PartsWithoutACL, name: "multipart under a Deny of other ACLs",
		with: "403", without: "OK",
		do: func(t *testing.T, l bucket.Line, _, client party) error {
			allowing(t, l,
				denying(l, toPut, "StringNotEquals", "s3:x-amz-acl", fullControl), toPut, toPutACL)
			return client.multipart("new", "data", fullControl)
		},
	}, {
		rule: awsrules.PartsWithoutACL, name: "multipart under a Deny of another ACL that is sent",
		with: "OK", without: "OK",
		do: func(t *testing.T, l bucket.Line, _, client party) error {
			deny := denying(l, toPut, "StringNotEquals", "s3:x-amz-acl", fullControl)
			deny[0].Condition["Null"] = map[string]string{"s3:x-amz-acl": "false"}
			allowing(t, l, deny, toPut, toPutACL)
			want(t, "put with another ACL", client.put("new", "data", "private"), "403")
			return client.multipart("new", "data", fullControl)
		},
	}, {
		rule: awsrules.CreationOperation,
		name: "multipart where only what creates objects is denied without a condition",
		with: "OK", without: "OK",
		do: func(t *testing.T, l bucket.Line, _, client party) error {
			deny := denying(l, toPut, "Null", "s3:if-none-match", "true")
			deny[0].Condition["Bool"] = map[string]string{"s3:ObjectCreationOperation": "true"}
			allowing(t, l, deny, toPut, toPutACL)
			return client.multipart("new", "data", fullControl,
				func(in *s3.CompleteMultipartUploadInput) { in.IfNoneMatch = aws.String("*") })
		},
	}, {
		rule: awsrules.CreationOperation, name: "put that creates an object without a condition",
		with: "403", without: "OK",
		do: func(t *testing.T, l bucket.Line, _, client party) error {
			deny := denying(l, toPut, "Null", "s3:if-none-match", "true")
			deny[0].Condition["Bool"] = map[string]string{"s3:ObjectCreationOperation": "true"}
			allowing(t, l, deny, toPut, toPutACL)
			return client.put("new", "data", fullControl)
		},
	}, {
		rule: awsrules.ACLNeedsPutACL, name: "put with the ACL", with: "403", without: "OK",
		do: func(t *testing.T, l bucket.Line, _, client party) error {
			allowing(t, l, nil, toPut)
			want(t, "put without", client.put("new", "data", ""), "OK")
			return client.put("new", "data", fullControl)
		},
	}, {
		rule: awsrules.ACLNeedsPutACL, name: "upload with the ACL, where ACLs are off", with: "403",
		without: "OK", ownership: types.ObjectOwnershipBucketOwnerEnforced,
		do: func(t *testing.T, l bucket.Line, _, client party) error {
			allowing(t, l, nil, toPut)
			return client.multipart("new", "data", fullControl)
		},
	}, {
		rule: awsrules.EnforcedRefusesACLs, name: "put with another ACL",
		with: "400 AccessControlListNotSupported", without: "OK",
		ownership: types.ObjectOwnershipBucketOwnerEnforced,
		do: func(_ *testing.T, _ bucket.Line, owner, _ party) error {
			return owner.put("new", "data", "public-read")
		},
	}, {
		rule: awsrules.MissingKeyPrefix, name: "head of a missing key", with: "404", without: "403",
		do: func(t *testing.T, l bucket.Line, _, client party) error {
			list := statements{{"Allow", []string{toList}, "", []string{l.Client.Principal},
				map[string]map[string]string{"StringLike": {"s3:prefix": "in/*"}}}}
			allowing(t, l, list, toGet)
			_, err := client.head("out/missing")
			want(t, "head of a missing key elsewhere", err, "403")
			_, err = client.head("in/missing")
			return err
		},
	}, {
		rule: awsrules.MissingKeyTags,
		name: "head of a missing key under a Deny of what is not scanned",
		with: "403", without: "404",
		do: func(t *testing.T, l bucket.Line, owner, client party) error {
			scanned := func(in *s3.PutObjectInput) { in.Tagging = aws.String("scan=clean") }
			want(t, "put of a scanned object", owner.put("clean", "data", "", scanned), "OK")
			allowing(t, l, denying(l, toGet, "StringNotEquals", "s3:ExistingObjectTag/scan",
				"clean"), toGet, toList)
			want(t, "get of a scanned object", client.get("clean", "data"), "OK")
			want(t, "get of another", client.get("f", "old"), "403")
			_, err := client.head("missing")
			return err
		},
	}, {
		rule: awsrules.CopyNeedsTagging, name: "copy of a tagged object",
		with: "403", without: "OK",
		do: func(t *testing.T, l bucket.Line, owner, client party) error {
			want(t, "put", owner.put("tagged",
				"data", "", func(in *s3.PutObjectInput) { in.Tagging = aws.String("a=1") }), "OK")
			allowing(t, l, nil, toPut, toPutACL, toGet)
			want(t, "copy without tags", client.copy("f", "g", fullControl), "OK")
			want(t, "copy of a part", client.copyPart("tagged", "parts"), "OK")
			return client.copy("tagged", "g", fullControl)
		},
	}, {
		rule: awsrules.CopyNeedsAnnotation, name: "copy of an annotated object",
		with: "403", without: "OK",
		do: func(t *testing.T, l bucket.Line, owner, client party) error {
			want(t, "annotate", owner.annotate("f", "note", "text"), "OK")
			allowing(t, l, nil, toPut, toPutACL, toGet)
			want(t, "copy without annotations",
				client.copy("f", "g", fullControl, func(in *s3.CopyObjectInput) {
					in.AnnotationDirective = types.AnnotationDirectiveExclude
				}), "OK")
			want(t, "copy of a part", client.copyPart("f", "parts"), "OK")
			return client.copy("f", "g", fullControl)
		},
	}, {
		rule: awsrules.Annotations, name: "annotations of a version and of its copies",
		with: "OK", without: "501 NotImplemented",
		do: func(t *testing.T, l bucket.Line, owner, client party) error {
			if err := owner.annotate("f", "note", "text"); err != nil {
				return err
			}
			has := func(key string, names ...string) {
				t.Helper()
				out, err := owner.api.ListObjectAnnotations(t.Context(),
					&s3.ListObjectAnnotationsInput{Bucket: &l.Bucket, Key: &key})
				want(t, "list of "+key, err, "OK")
				var got []string
				if err == nil {
					for _, a := range out.Annotations {
						got = append(got, *a.AnnotationName)
					}
				}
				if !slices.Equal(got, names) {
					t.Errorf("%s has %q, want %q", key, got, names)
				}
			}
			want(t, "copy", owner.copy("f", "copy", ""), "OK")
			want(t, "copy without", owner.copy("f", "bare", "", func(in *s3.CopyObjectInput) {
				in.AnnotationDirective = types.AnnotationDirectiveExclude
			}), "OK")
			has("f", "note")
			has("copy", "note")
			has("bare")
			want(t, "put over it", owner.put("copy", "new", ""), "OK")
			has("copy")
			want(t, "annotation of another name", owner.annotate("f", "s3.note", "text"),
				"400 InvalidAnnotationName")
			want(t, "annotation that is no text", owner.annotate("f", "b", "\xff"),
				"415 UnsupportedMediaType")
			want(t, "annotation without a key", owner.annotate("missing", "b", "text"), "404")
			allowing(t, l, nil, toPut, toPutACL, toGet)
			want(t, "client's annotation", client.annotate("f", "b", "text"), "403")
			allowing(t, l, nil, "s3:PutObjectAnnotation")
			return client.annotate("f", "b", "text")
		},
	}, {
		rule: awsrules.CopyResetsClass, name: "class of a copy",
		with: "STANDARD", without: "STANDARD_IA",
		do: func(t *testing.T, _ bucket.Line, owner, _ party) error {
			want(t, "put", owner.put("cold", "data", "", func(in *s3.PutObjectInput) {
				in.StorageClass = types.StorageClassStandardIa
			}), "OK")
			want(t, "copy", owner.copy("cold", "copy", ""), "OK")
			want(t, "copy", owner.copy("cold", "kept", "", func(in *s3.CopyObjectInput) {
				in.StorageClass = types.StorageClassStandardIa
			}), "OK")
			if h, err := owner.head("kept"); err != nil ||
				h.StorageClass != types.StorageClassStandardIa {
				t.Errorf("a copy that names its class = %v, %v", h, err)
			}
			h, err := owner.head("copy")
			if err != nil {
				return err
			}
			return errors.New(string(h.StorageClass))
		},
	}, {
		rule: awsrules.RequesterPays, name: "get without x-amz-request-payer",
		with: "403", without: "OK",
		do: func(t *testing.T, l bucket.Line, owner, client party) error {
			_, err := owner.api.PutBucketRequestPayment(t.Context(),
				&s3.PutBucketRequestPaymentInput{
					Bucket:                      &l.Bucket,
					RequestPaymentConfiguration: &types.RequestPaymentConfiguration{Payer: types.PayerRequester},
				})
			want(t, "set the payer", err, "OK")
			want(t, "owner's get", owner.get("f", "old"), "OK")
			out, err := client.api.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &l.Bucket,
				Key: aws.String("f"), RequestPayer: types.RequestPayerRequester})
			want(t, "get of who pays", err, "OK")
			if err == nil {
				out.Body.Close()
			}
			return client.get("f", "old")
		},
	}, {
		rule: awsrules.LockNeedsChecksum, name: "part of no upload without a checksum",
		with: "400 InvalidRequest", without: "404",
		do: func(t *testing.T, l bucket.Line, owner, _ party) error {
			locked := l
			locked.Bucket += "-lock"
			local.SetRules(locked.Bucket, rulesOf(t))
			_, err := owner.api.CreateBucket(t.Context(),
				&s3.CreateBucketInput{Bucket: &locked.Bucket,
					ObjectLockEnabledForBucket: aws.Bool(true)})
			want(t, "create a bucket with Object Lock", err, "OK")
			owner.bucket = locked.Bucket
			want(t, "put with a checksum", owner.put("f", "data", "", func(in *s3.PutObjectInput) {
				in.ChecksumAlgorithm = types.ChecksumAlgorithmCrc32
			}), "OK")
			return owner.probe("probe")
		},
	}, {
		rule: awsrules.Archived, name: "get of an archived object",
		with: "403 InvalidObjectState", without: "OK",
		do: func(t *testing.T, l bucket.Line, owner, _ party) error {
			want(t, "put", owner.put("old", "data", "",
				func(in *s3.PutObjectInput) { in.StorageClass = types.StorageClassGlacier }), "OK")
			_, err := owner.head("old")
			want(t, "head", err, "OK")
			return owner.get("old", "data")
		},
	}, {
		rule: awsrules.Archived, name: "copy of an archived object",
		with: "403 ObjectNotInActiveTierError", without: "OK",
		do: func(t *testing.T, l bucket.Line, owner, _ party) error {
			want(t, "put", owner.put("old", "data", "", func(in *s3.PutObjectInput) {
				in.StorageClass = types.StorageClassDeepArchive
			}), "OK")
			return owner.copy("old", "copy", "")
		},
	}, {
		rule: awsrules.Archived, name: "get of what was restored", with: "OK", without: "OK",
		do: func(t *testing.T, l bucket.Line, owner, _ party) error {
			want(t, "put", owner.put("old", "data", "",
				func(in *s3.PutObjectInput) { in.StorageClass = types.StorageClassGlacier }), "OK")
			_, err := owner.api.RestoreObject(t.Context(), &s3.RestoreObjectInput{
				Bucket: &l.Bucket, Key: aws.String("old"),
				RestoreRequest: &types.RestoreRequest{Days: aws.Int32(1)},
			})
			want(t, "restore", err, "OK")
			return owner.get("old", "data")
		},
	}, {
		rule: awsrules.CustomerKeys, name: "head without the customer's key",
		with: "400", without: "OK",
		do: func(t *testing.T, _ bucket.Line, owner, _ party) error {
			want(t, "put", owner.put("secret", "data", "", func(in *s3.PutObjectInput) {
				in.SSECustomerAlgorithm, in.SSECustomerKey = aws.String("AES256"),
					aws.String(strings.Repeat("k", 32))
			}), "OK")
			_, err := owner.head("secret")
			return err
		},
	}, {
		rule: awsrules.PayloadSigning, name: "put whose payload is not signed",
		with: "403", without: "OK",
		do: func(t *testing.T, l bucket.Line, _, client party) error {
			allowing(t, l, denying(l, toPut, "StringEquals", "s3:x-amz-content-sha256",
				"UNSIGNED-PAYLOAD"), toPut, toPutACL)
			want(t, "put whose payload is signed", client.put("new", "data", fullControl), "OK")
			_, err := client.api.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &l.Bucket,
				Key: aws.String("new"), Body: bytes.NewReader(nil), ACL: fullControl},
				func(o *s3.Options) {
					o.APIOptions = append(o.APIOptions,
						v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware)
				})
			return err
		},
	}, {
		rule: awsrules.Partitions, name: "policy with ARNs of another partition",
		with: "400 MalformedPolicy", without: "OK",
		do: func(t *testing.T, l bucket.Line, owner, _ party) error {
			text := `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws-cn:iam::444455556666:root"},
				"Action": "s3:GetObject", "Resource": "arn:aws-cn:s3:::` + l.Bucket + `/*"}]}`
			_, err := owner.api.PutBucketPolicy(t.Context(),
				&s3.PutBucketPolicyInput{Bucket: &l.Bucket, Policy: &text})
			return err
		},
	}, {
		rule: awsrules.RegionalNames, name: "bucket in another account's namespace",
		with: "403", without: "OK",
		do: func(t *testing.T, l bucket.Line, owner, client party) error {
			name := l.Bucket + "-" + l.Owner.AccountID + "-us-east-1-an"
			local.SetRules(name, rulesOf(t))
			create := func(p party, namespace types.BucketNamespace) error {
				_, err := p.api.CreateBucket(t.Context(),
					&s3.CreateBucketInput{Bucket: &name, BucketNamespace: namespace})
				return err
			}
			if rulesOf(t)[awsrules.RegionalNames] {
				want(t, "create without the namespace", create(owner, ""), "400")
			}
			return create(client, "account-regional")
		},
	}, {
		rule: awsrules.ClosedNewBuckets, name: "Block Public Access of a new bucket",
		with: "OK", without: "404 NoSuchPublicAccessBlockConfiguration",
		do: func(t *testing.T, l bucket.Line, owner, _ party) error {
			_, err := owner.api.GetPublicAccessBlock(t.Context(),
				&s3.GetPublicAccessBlockInput{Bucket: &l.Bucket})
			return err
		},
	}, {
		rule: awsrules.CanonicalIDs, name: "the owner of an object, as a listing tells it",
		with: "canonical", without: "account",
		do: func(t *testing.T, l bucket.Line, owner, client party) error {
			want(t, "put", client.put("mine", "data", fullControl), "OK")
			owners, err := owner.owners()
			if err != nil {
				return err
			}
			acl, err := client.getACL("mine")
			if err != nil {
				return err
			}
			if *acl.Owner.ID != owners["mine"] {
				t.Errorf("the ACL names %s, the listing %s", *acl.Owner.ID, owners["mine"])
			}
			grant := func(in *s3.PutObjectInput) {
				in.GrantFullControl = aws.String(`id="` + owners["f"] + `"`)
			}
			want(t, "put with a grant to the owner", client.put("granted", "data", "", grant), "OK")
			want(t, "owner's get", owner.get("granted", "data"), "OK")
			if owners["mine"] == l.Client.AccountID {
				return errors.New("account")
			}
			return errors.New("canonical")
		},
	},
}

// ruleSets are the sets of rules of the running tests, by their names.
var ruleSets = map[string]awsrules.Set{}

func rulesOf(t *testing.T) awsrules.Set { return ruleSets[t.Name()] }

// TestRules has each rule of AWS make its difference, and no more: all others are in
// force all the while.
func TestRules(t *testing.T) {
	// These are tested by TestBothHalves, and by the front's tests.
	tested := map[awsrules.Rule]bool{awsrules.BothHalves: true, awsrules.AccessPoints: true}
	for _, r := range rules {
		tested[r.rule] = true
		for _, way := range []struct {
			name, want string
			rules      awsrules.Set
		}{{"with", r.with, awsrules.All()},
			{"without", r.without, awsrules.All().Without(r.rule)}} {
			t.Run(string(r.rule)+"/"+r.name+"/"+way.name, func(t *testing.T) {
				ruleSets[t.Name()] = way.rules
				ownership := r.ownership
				if ownership == "" {
					ownership = types.ObjectOwnershipObjectWriter
				}
				l := newAWSBucket(t, way.rules, "full", ownership)
				owner, client, _ := parties(t, l)
				want(t, "put of what is there", owner.put("f", "old", ""), "OK")
				want(t, r.name, r.do(t, l, owner, client), way.want)
			})
		}
	}
	for _, name := range awsrules.Names() {
		if !tested[awsrules.Rule(name)] {
			t.Errorf("%s has no test", name)
		}
	}
}

// TestOfAllServersUnderRules tries every operation as every party under every policy,
// as TestPolicies does, with all rules of AWS in force.
func TestOfAllServersUnderRules(t *testing.T) {
	common := []string{"list", "put Delivery", "multipart Delivery", "probe Delivery"}
	for policy, allowed := range map[string][]string{
		"folders": slices.Concat(common, []string{"get Submissions", "head Submissions", "copy to Delivery", "get Delivery", "head missing"}),
		"dropbox": slices.Concat(common, []string{"put Submissions", "multipart Submissions", "probe Submissions"}),
	} {
		t.Run(policy, func(t *testing.T) {
			l := newAWSBucket(t, awsrules.All(), policy, types.ObjectOwnershipObjectWriter)
			owner, client, third := parties(t, l)
			for _, key := range []string{"Submissions/o", "Delivery/o"} {
				want(t, "owner's put of "+key, owner.put(key, "data", ""), "OK")
			}
			for _, op := range operations {
				want(t, "third's "+op.name, op.do(third), refused(op.name))
				outcome := refused(op.name)
				for _, name := range allowed {
					if name == op.name {
						outcome = success(op.name)
					}
				}
				want(t, "client's "+op.name, op.do(client), outcome)
			}
			for _, op := range operations {
				want(t, "owner's "+op.name, op.do(owner), success(op.name))
			}
		})
	}
}

// etag is that of what the key holds.
func (p party) etag(key string) string {
	p.t.Helper()
	h, err := p.head(key)
	if err != nil {
		p.t.Fatal(err)
	}
	return *h.ETag
}

// copyPart makes an object of one part that is copied.
func (p party) copyPart(from, to string) error {
	u, err := p.begin(to, fullControl)
	if err != nil {
		return err
	}
	out, err := p.api.UploadPartCopy(p.t.Context(), &s3.UploadPartCopyInput{
		Bucket: &p.bucket, Key: &to, UploadId: &u.id, PartNumber: aws.Int32(1),
		CopySource: aws.String(p.bucket + "/" + from),
	})
	if err != nil {
		return err
	}
	u.parts = []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: out.CopyPartResult.ETag}}
	return u.complete()
}

// TestKeysUnderRules has keys of all kinds pass the rules unchanged.
func TestKeysUnderRules(t *testing.T) {
	l := newAWSBucket(t, awsrules.All(), "full", types.ObjectOwnershipObjectWriter)
	owner, client, _ := parties(t, l)
	for _, key := range []string{"a b", "a+b", "a%20b", "ä/€", "a&b=c", "q?x", "c#d",
		"s*t", "d/", "quote\"d"} {
		body := "data"
		if strings.HasSuffix(key, "/") {
			body = ""
		}
		want(t, "put of "+key, client.put(key, body, fullControl), "OK")
		want(t, "get of "+key, owner.get(key, body), "OK")
		if body != "" {
			want(t, "copy of "+key,
				client.copy(strings.NewReplacer("%", "%25", " ", "%20", "+", "%2B", "?", "%3F", "#",
					"%23", "ä", "%C3%A4", "€", "%E2%82%AC", "&", "%26").Replace(
					key), "copy", fullControl), "OK")
		}
		want(t, "delete of "+key, client.deleteMany(key), "OK")
		want(t, "get of what was deleted", client.get(key, ""), "404")
	}
}

// TestTamperedUnderRules refuses what is not signed as it says.
func TestTamperedUnderRules(t *testing.T) {
	l := newAWSBucket(t, awsrules.All(), "full", types.ObjectOwnershipObjectWriter)
	forged := l
	forged.Client.SecretAccessKey = "forged"
	_, client, _ := parties(t, forged)
	want(t, "put with another secret", client.put("f", "data", fullControl),
		"403 SignatureDoesNotMatch")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
		l.Endpoint+"/"+l.Bucket+"/f", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusForbidden {
		t.Errorf("get by nobody = %d %s, want 403", res.StatusCode, body)
	}
}
