package integration

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// aclOf is an object's ACL as the bucket's owner sees it, with the object's owner.
func (x *exchange) aclOf(key string) string {
	x.t.Helper()
	out, err := x.api[owner].GetObjectAcl(x.t.Context(),
		&s3.GetObjectAclInput{Bucket: &x.Bucket, Key: &key})
	if err != nil {
		x.t.Fatalf("ACL of %q: %v", key, err)
	}
	text := "owner " + aws.ToString(out.Owner.ID)
	for _, g := range out.Grants {
		text += fmt.Sprintf("; %s%s %s", aws.ToString(g.Grantee.ID),
			aws.ToString(g.Grantee.URI), g.Permission)
	}
	return text
}

// TestRepairTouchesNothingOfOthers has a client that may read and set the ACL of
// everything, and read that of the bucket: repair mends what it has uploaded itself, and
// leaves what the bucket's owner has as it is, whatever its ACL says.
func TestRepairTouchesNothingOfOthers(t *testing.T) {
	t.Parallel()
	for _, ownership := range []string{"writer", "preferred", "enforced"} {
		t.Run(ownership, func(t *testing.T) {
			t.Parallel()
			x := newAWSExchange(t, "--grant", "full", "--ownership", ownership).in(t)
			all := []string{"s3:GetObjectAcl", "s3:PutObjectAcl"}
			x.govern(t, append(x.policy(t), x.statements(allow{submissions, all},
				allow{delivery, all}, allow{"", []string{"s3:GetBucketAcl"}})...)...)
			acls := ownership != "enforced"
			x.put(owner, submissions+"private", []byte("the owner's"), false)
			x.put(owner, delivery+"private", []byte("the owner's"), false)
			if acls {
				in := &s3.PutObjectAclInput{Bucket: &x.Bucket, Key: aws.String(submissions +
					"private"), ACL: types.ObjectCannedACLAuthenticatedRead}
				if _, err := x.api[owner].PutObjectAcl(t.Context(), in); err != nil {
					t.Fatal(err)
				}
			}
			x.put(client, delivery+"closed", []byte("the client's"), false)
			x.put(client, delivery+"open", []byte("the client's"), true)
			before := map[string]string{}
			for _, key := range []string{submissions + "private", delivery + "private", submissions,
				delivery, delivery + "open"} {
				before[key] = x.aclOf(key)
			}
			out, code := x.as(t, client, nil, "repair")
			want := "nothing to repair"
			if acls {
				want = "1 object, 12 B repaired in "
			}
			if code != 0 || !strings.Contains(out, want) {
				t.Errorf("repair ends with %d, want 0 and %s:\n%s", code, want, out)
			}
			for key, acl := range before {
				if now := x.aclOf(key); now != acl {
					t.Errorf("the ACL of %s was\n%s\nand is\n%s", key, acl, now)
				}
			}
			if got, err := x.get(owner, delivery+"closed"); err != nil ||
				string(got) != "the client's" {
				t.Errorf("the owner reads %q, %v", got, err)
			}
			if f := x.doctor(t, client, nil).find("readable", ""); f.State != "ok" {
				t.Errorf("doctor says of what can be read %+v", f)
			}
		})
	}
}

// TestProbesAreFewRefusals counts what is refused to mounts at work, and to doctor: whoever
// watches the bucket's trail sees each.
func TestProbesAreFewRefusals(t *testing.T) {
	t.Parallel()
	direct := newExchange(t, "folders").in(t)
	direct.put(owner, submissions+"theirs", []byte("theirs"), true)
	x, g := direct.through(t)
	x.t = t
	m := x.mount(client)
	await(t, "the probes", func() bool {
		return strings.Count(m.log.String(), "the policy, as far as it can be told") == 2
	})
	shell(t,
		`for i in $(seq 50); do ls -lR "$1" > /dev/null; cat "$1"/Submissions/theirs > /dev/null; touch "$1"/Submissions/no 2> /dev/null || true; rm "$1"/Submissions/theirs 2> /dev/null || true; done`, m.dir)
	m.deliver(delivery+"ours", []byte("ours"))
	m.unmount()
	if n := g.refusals(); n > 5 {
		t.Errorf("%d requests were refused to a mount, want 5 at most", n)
	}
}
