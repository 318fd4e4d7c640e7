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
		{`{"StringEqualsIfExists": {"s3:x-amz-acl": "bucket-owner-full-control"}}`, true}, // s3:x-amz-grant-read
		{`{"Null": {"s3:x-amz-acl": "true"}}`, true},
		{`{"StringEquals": {"s3:x-amz-acl": "authenticated-read"}}`, true},
		{`{"StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}}`, false},
		{`{"StringEquals": {"s3:x-amz-acl": ["private", "bucket-owner-full-control"]}}`, false},
		{`{"StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}, "Null": {"s3:x-amz-acl": "false"}}`, false},
	} {
		d := parse(t, `{"Version": "2012-10-17", "Statement": {"Sid": "Puts", "Effect": "Allow", "Principal": {"AWS": "444455556666"},
			"Action": ["s3:PutObject", "s3:PutObjectAcl"], "Resource": "arn:aws:s3:::b/Delivery/*", "Condition": `+tt.condition+`}}`)
		l := Lint{Document: d, Bucket: "b", Folders: []string{"Submissions", "Delivery"}, Ownership: Writer}
		got := slices.ContainsFunc(l.Remarks(), func(r Remark) bool {
			return strings.Contains(r.Text, "give objects to others")
		})
		if got != tt.want {
			t.Errorf("%s: told that the client can give objects to others: %t, want %t\n%v", tt.condition, got, tt.want, l.Remarks())
		}
	}
}
