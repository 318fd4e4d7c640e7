package integration

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// allow is what a policy lets the client do: actions on the bucket (""), or on the
// keys that begin with on.
type allow struct {
	on      string
	actions []string
}

var (
	toList = allow{"", []string{"s3:ListBucket"}}
	toPut  = []string{"s3:PutObject", "s3:PutObjectAcl"}
	toGet  = []string{"s3:GetObject"}
)

// parties of a policy, as this server names them.
func (x *exchange) principal(a account) map[string]any {
	arn := "arn:aws:iam::" + a.AccountID + ":root"
	if x.onRGW() {
		arn = "arn:aws:iam:::user/" + a.AccountID
	}
	return map[string]any{"AWS": arn}
}

func (x *exchange) arn(keys string) string {
	arn := "arn:aws:s3:::" + x.Bucket
	if keys != "" {
		arn += "/" + keys + "*"
	}
	return arn
}

// statements are the rules as a policy has them.
func (x *exchange) statements(rules ...allow) []map[string]any {
	var all []map[string]any
	for _, r := range rules {
		all = append(all, map[string]any{"Effect": "Allow", "Principal": x.principal(x.Client),
			"Action": r.actions, "Resource": x.arn(r.on)})
	}
	return all
}

// govern makes these statements the bucket's policy.
func (x *exchange) govern(t *testing.T, statements ...map[string]any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if len(statements) == 0 {
		if _, err := x.api[owner].DeleteBucketPolicy(ctx,
			&s3.DeleteBucketPolicyInput{Bucket: &x.Bucket}); err != nil {
			t.Fatal(err)
		}
		return
	}
	doc, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": statements})
	if err != nil {
		t.Fatal(err)
	}
	text := string(doc)
	if _, err := x.api[owner].PutBucketPolicy(ctx,
		&s3.PutBucketPolicyInput{Bucket: &x.Bucket, Policy: &text}); err != nil {
		t.Fatalf("put policy %s: %v", text, err)
	}
}

// policy is the bucket's, as it is now.
func (x *exchange) policy(t *testing.T) []map[string]any {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, err := x.api[owner].GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: &x.Bucket})
	if err != nil {
		t.Fatal(err)
	}
	var doc struct{ Statement []map[string]any }
	if err := json.Unmarshal([]byte(*out.Policy), &doc); err != nil {
		t.Fatal(err)
	}
	return doc.Statement
}
