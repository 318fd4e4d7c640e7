package access

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// TestBareAccount: a policy may name an account by its id, and is shown with
// the name of its root.
func TestBareAccount(t *testing.T) {
	if onRGW() {
		t.Skip("RGW 16 names users, not accounts")
	}
	l := newBucket(t, "article", types.ObjectOwnershipObjectWriter)
	putPolicy(t,
		l, statements{{"Allow", []string{"s3:ListBucket"}, "", []string{l.Third.AccountID}, nil}})
	owner, client, third := parties(t, l)
	_, err := third.owners()
	want(t, "third's list", err, "OK")
	_, err = client.owners()
	want(t, "client's list", err, "403")
	out, err := owner.api.GetBucketPolicy(t.Context(), &s3.GetBucketPolicyInput{Bucket: &l.Bucket})
	if err != nil || !strings.Contains(*out.Policy, `"`+l.Third.Principal+`"`) {
		t.Errorf("policy = %v, %v, want it to name %s", out, err, l.Third.Principal)
	}
}

// TestUnknownPrincipal refuses a policy that names nobody.
func TestUnknownPrincipal(t *testing.T) {
	if onRGW() {
		t.Skip("RGW 16 takes any user's name")
	}
	l := newBucket(t, "article", types.ObjectOwnershipObjectWriter)
	for _, arn := range []string{"arn:aws:iam::000000000000:root", "000000000000",
		l.Client.AccessKeyID, "arn:aws:iam::" + l.Client.AccountID + ":user/none"} {
		doc := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + arn +
			`"},"Action":"s3:ListBucket","Resource":"arn:aws:s3:::` + l.Bucket + `"}]}`
		_, err := l.S3(l.Owner).PutBucketPolicy(t.Context(),
			&s3.PutBucketPolicyInput{Bucket: &l.Bucket, Policy: &doc})
		want(t, "policy for "+arn, err, "400 MalformedPolicy")
	}
}

// TestBuckets: an account lists its own buckets, which belong to its canonical
// id, and nobody makes a bucket of that name again.
func TestBuckets(t *testing.T) {
	l := newBucket(t, "full", types.ObjectOwnershipObjectWriter)
	owner, client, _ := parties(t, l)
	has := func(p party) bool {
		out, err := p.api.ListBuckets(t.Context(), &s3.ListBucketsInput{})
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range out.Buckets {
			if *b.Name == l.Bucket {
				return true
			}
		}
		return false
	}
	if !has(owner) || has(client) {
		t.Errorf("bucket listed for owner, client = %v, %v, want true, false",
			has(owner), has(client))
	}
	acl, err := owner.api.GetBucketAcl(t.Context(), &s3.GetBucketAclInput{Bucket: &l.Bucket})
	if err != nil || aws.ToString(acl.Owner.ID) != l.Owner.AccountID {
		t.Errorf("bucket's ACL = %+v, %v, want owner %s", acl, err, l.Owner.AccountID)
	}
	_, err = client.api.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &l.Bucket})
	want(t, "client's creation of the bucket", err, "409 BucketAlreadyExists")
}
