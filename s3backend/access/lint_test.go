package access

import (
	"slices"
	"strings"
	"testing"
)

// TestACLsThatAConditionLeavesAreTold asks of conditions on s3:x-amz-acl whether a request
// that gives an object to others can meet them, where ACLs are on.
func TestACLsThatAConditionLeavesAreTold(t *testing.T) {
	for _, tt := range []struct {
		condition string
		want      bool
	}{
		{`{}`, true},
		{`{"StringNotEquals": {"s3:x-amz-acl": "public-read"}}`, true},
		{`{"StringNotEquals": {"s3:x-amz-acl": ["public-read", "public-read-write"]}}`, true},
		// It lets requests with s3:x-amz-grant-read through.
		{`{"StringEqualsIfExists": {"s3:x-amz-acl": "bucket-owner-full-control"}}`, true},
		{`{"Null": {"s3:x-amz-acl": "true"}}`, true},
		{`{"StringEquals": {"s3:x-amz-acl": "authenticated-read"}}`, true},
		{`{"StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}}`, false},
		{`{"StringEquals": {"s3:x-amz-acl": ["private", "bucket-owner-full-control"]}}`, false},
		{`{"StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}, "Null": {"s3:x-amz-acl": "false"}}`, false},
	} {
		d := parse(t, `{"Version": "2012-10-17", "Statement": {"Sid": "Puts", "Effect": "Allow", "Principal": {"AWS": "444455556666"},
			"Action": ["s3:PutObject", "s3:PutObjectAcl"], "Resource": "arn:aws:s3:::b/Delivery/*", "Condition": `+tt.condition+`}}`)
		l := Lint{Document: d, Bucket: "b",
			Folders: []string{"Submissions", "Delivery"}, Ownership: Writer}
		got := slices.ContainsFunc(l.Remarks(), func(r Remark) bool {
			return strings.Contains(r.Text, "give objects to others")
		})
		if got != tt.want {
			t.Errorf("%s: told that the client can give objects to others: %t, want %t\n%v",
				tt.condition, got, tt.want, l.Remarks())
		}
	}
}

// TestADistributionIsTooWide: what CloudFront may get it may publish.
func TestADistributionIsTooWide(t *testing.T) {
	const identity = "arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity E1"
	d := parse(t, `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"AWS": ["444455556666", "`+identity+`"]},
		"Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/Delivery/*"}}`)
	l := Lint{Document: d, Bucket: "b", Folders: []string{"Submissions", "Delivery"}}
	if !slices.ContainsFunc(l.Remarks(),
		func(r Remark) bool { return r.Level == Wide && strings.Contains(r.Text, identity) }) {
		t.Errorf("nothing is told of %q: %v", identity, l.Remarks())
	}
}

// TestWhatS3RefusesIsWrong: S3 would not take these policies.
func TestWhatS3RefusesIsWrong(t *testing.T) {
	statement := func(principal string) string {
		return `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": ` +
			principal + `, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/Delivery/*"}}`
	}
	for _, tt := range []struct{ name, policy, says string }{
		{"no principal", statement(`{}`), "names nobody"},
		{"an empty principal", statement(`{"AWS": []}`), "names nobody"},
		{"too many principals", statement(`{"AWS": ["` + strings.Repeat(`111122223333", "`, 4000) + `444455556666"]}`), "20 KiB"},
		{"a resource of many wildcards", strings.Replace(statement(`"*"`), "Delivery/*", strings.Repeat("*a", 100_000), 1), "20 KiB"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := Lint{Document: parse(t, tt.policy), Bucket: "b",
				Folders: []string{"Submissions", "Delivery"}}
			if !slices.ContainsFunc(l.Remarks(), func(r Remark) bool {
				return r.Level == Wrong && strings.Contains(r.Text, tt.says)
			}) {
				t.Errorf("nothing is told of %q: %.500v", tt.says, l.Remarks())
			}
		})
	}
}
