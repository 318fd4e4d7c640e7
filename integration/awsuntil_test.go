package integration

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// TestAccessEnds lets a client in for a time, moves the end into the past, and lets it in
// again. While its access is over S3 refuses it everything, the owner reads what was delivered,
// and what the client writes into its mount is kept and delivered later.
func TestAccessEnds(t *testing.T) {
	t.Parallel()
	needFuse(t)
	x := newAWSExchange(t, "--until", "2099-01-31").in(t)
	m := x.mount(client)
	m.deliver(delivery+"before", []byte("before"))

	out, err := x.api[owner].GetBucketPolicy(t.Context(),
		&s3.GetBucketPolicyInput{Bucket: &x.Bucket})
	if err != nil {
		t.Fatal(err)
	}
	policy := aws.ToString(out.Policy)
	over := strings.ReplaceAll(policy, "2099-02-01T00:00:00Z", "2020-02-01T00:00:00Z")
	if over == policy {
		t.Fatalf("no statement ends in\n%s", policy)
	}
	if _, err := x.api[owner].PutBucketPolicy(t.Context(),
		&s3.PutBucketPolicyInput{Bucket: &x.Bucket, Policy: &over}); err != nil {
		t.Fatal(err)
	}
	if _, err := x.get(client, delivery+"before"); status(err) != http.StatusForbidden {
		t.Errorf("the client reads: %v, want it refused", err)
	}
	if _, err := x.tryPut(client, delivery+"new", []byte("x"),
		true); status(err) != http.StatusForbidden {
		t.Errorf("the client puts: %v, want it refused", err)
	}
	if got, err := x.get(owner, delivery+"before"); err != nil || string(got) != "before" {
		t.Errorf("the owner reads %q, %v", got, err)
	}
	if err := os.WriteFile(m.path(delivery+"during"), []byte("during"), 0o644); err != nil {
		t.Fatal(err) // the mount believes what it has found out before
	}
	await(t, "the file to be blocked",
		func() bool { return m.fileState(delivery+"during") == "blocked" })

	if said, code := x.init(t, "--dry-run"); code != 0 ||
		!strings.Contains(said, "The client's access has ended.") {
		t.Errorf("init ends with %d:\n%s", code, said)
	}
	if said, code := x.init(t, "--until", "2099-01-31"); code != 1 ||
		!strings.Contains(said, "--widen") {
		t.Errorf("a later end is not more than now; init ends with %d:\n%s", code, said)
	}
	if said, code := x.init(t, "--until", "2099-01-31", "--widen"); code != 0 {
		t.Fatalf("init ends with %d:\n%s", code, said)
	}
	if said, err := m.run("retry", m.dir); err != nil {
		t.Errorf("retry: %v\n%s", err, said)
	}
	if said, err := m.run("wait", m.dir); err != nil {
		t.Errorf("wait: %v\n%s", err, said)
	}
	if got, err := x.get(owner, delivery+"during"); err != nil || string(got) != "during" {
		t.Errorf("the owner reads %q, %v", got, err)
	}
}
