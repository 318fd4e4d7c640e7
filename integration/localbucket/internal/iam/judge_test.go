package iam

import (
	"fmt"
	"testing"
)

// TestConditions holds each operator against values that a request has or lacks.
func TestConditions(t *testing.T) {
	for _, tt := range []struct {
		operator, want string // want as JSON
		have           []string
		holds          bool
	}{
		{"StringEquals", `"a"`, []string{"a"}, true},
		{"StringEquals", `["b", "a"]`, []string{"a"}, true},
		{"StringEquals", `"a"`, []string{"A"}, false},
		{"StringEquals", `"a"`, nil, false},
		{"StringEqualsIfExists", `"a"`, nil, true},
		{"StringEqualsIfExists", `"a"`, []string{"b"}, false},
		{"StringEqualsIgnoreCase", `"a"`, []string{"A"}, true},
		{"StringNotEquals", `"a"`, []string{"b"}, true},
		{"StringNotEquals", `"a"`, []string{"a"}, false},
		{"StringNotEquals", `["a", "b"]`, []string{"b"}, false},
		{"StringNotEquals", `"a"`, nil, true}, // what refuses parts, and keys that nobody has
		{"StringLike", `"a*"`, []string{"abc"}, true},
		{"StringNotLike", `"a*"`, []string{"abc"}, false},
		{"StringNotLike", `"a*"`, nil, true},
		{"Bool", `"false"`, []string{"false"}, true},
		{"Bool", `false`, []string{"true"}, false},
		{"Bool", `"false"`, nil, false},
		{"BoolIfExists", `"false"`, nil, true},
		{"Null", `"true"`, nil, true},
		{"Null", `"true"`, []string{"x"}, false},
		{"Null", `"false"`, []string{"x"}, true},
		{"Null", `"false"`, nil, false},
		{"NumericLessThanEquals", `"10"`, []string{"10"}, true},
		{"NumericGreaterThan", `10`, []string{"10"}, false},
		{"DateLessThan", `"2030-01-01T00:00:00Z"`, []string{"2026-01-01T00:00:00Z"}, true},
		{"DateLessThan", `"2020-01-01T00:00:00Z"`, []string{"2026-01-01T00:00:00Z"}, false},
		{"DateLessThan", `"2026-01-01T00:00:00Z"`, []string{"2026-01-01T00:00:00Z"}, false},
		{"DateLessThan", `"2030-01-01T00:00:00Z"`, nil, false},
		{"DateLessThanIfExists", `"2030-01-01T00:00:00Z"`, nil, true},
		{"IpAddress", `"10.0.0.0/8"`, []string{"10.1.2.3"}, true},
		{"NotIpAddress", `"10.0.0.0/8"`, []string{"10.1.2.3"}, false},
		{"ArnLike", `"arn:aws:iam::1:*"`, []string{"arn:aws:iam::1:root"}, true},
		{"ForAnyValue:StringEquals", `"a"`, []string{"b", "a"}, true},
		{"ForAnyValue:StringEquals", `"a"`, nil, false},
		{"ForAllValues:StringEquals", `["a", "b"]`, []string{"b", "a"}, true},
		{"ForAllValues:StringEquals", `"a"`, []string{"b", "a"}, false},
		{"ForAllValues:StringEquals", `"a"`, nil, true},
		{"ForAllValues:StringNotEquals", `"a"`, nil, true},
	} {
		text := fmt.Sprintf(`{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:*",
			"Resource": "*", "Condition": {%q: {"s3:Key": %s}}}}`, tt.operator, tt.want)
		d, err := Parse([]byte(text))
		if err != nil {
			t.Errorf("%s %s: %v", tt.operator, tt.want, err)
			continue
		}
		r := Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k",
			Context: map[string][]string{"s3:key": tt.have}}
		if got := d.Judge(r) == Allowed; got != tt.holds {
			t.Errorf("%s %s of %q holds: %t, want %t", tt.operator, tt.want, tt.have, got, tt.holds)
		}
	}
}

// TestStatements asks about principals, actions, resources and effects.
func TestStatements(t *testing.T) {
	const policy = `{"Version": "2012-10-17", "Statement": [
		{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::1:root"}, "Action": "s3:Get*", "Resource": "arn:aws:s3:::b/in/*"},
		{"Effect": "Allow", "Principal": {"AWS": ["2", "arn:aws:iam::3:user/ann"]}, "Action": "s3:putobject", "Resource": "arn:aws:s3:::b/a${*}b/*"},
		{"Effect": "Allow", "Principal": "*", "NotAction": "s3:Delete*", "Resource": "arn:aws:s3:::b/home/${aws:username}/*"},
		{"Effect": "Deny", "NotPrincipal": {"AWS": "1"}, "Action": "s3:*", "NotResource": "arn:aws:s3:::b/*"}]}`
	d, err := Parse([]byte(policy))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		principal, account, action, resource string
		want                                 Answer
	}{
		{"arn:aws:iam::1:user/x", "1", "s3:GetObject", "b/in/k", Allowed},
		{"arn:aws:iam::1:user/x", "1", "s3:GetObject", "b/out/k", NoMatch},
		{"arn:aws:iam::2:root", "2", "s3:GetObject", "b/in/k", NoMatch},
		{"arn:aws:iam::2:root", "2", "s3:PutObject", "b/a*b/k", Allowed},
		{"arn:aws:iam::2:root", "2", "s3:PutObject", "b/axb/k", NoMatch},
		{"arn:aws:iam::3:user/ann", "3", "s3:PutObject", "b/a*b/k", Allowed},
		{"arn:aws:iam::3:user/bob", "3", "s3:PutObject", "b/a*b/k", NoMatch},
		{"", "", "s3:GetObject", "b/home/ann/k", Allowed},
		{"", "", "s3:GetObject", "b/home/bob/k", NoMatch},
		{"", "", "s3:DeleteObject", "b/home/ann/k", NoMatch},
		{"arn:aws:iam::2:root", "2", "s3:ListBucket", "b", Denied},
		{"arn:aws:iam::1:root", "1", "s3:ListBucket", "b", NoMatch},
	} {
		r := Request{tt.principal, tt.account, tt.action, "arn:aws:s3:::" + tt.resource,
			map[string][]string{"aws:username": {"ann"}}}
		if got := d.Judge(r); got != tt.want {
			t.Errorf("%s, %s on %s = %d, want %d", tt.principal,
				tt.action, tt.resource, got, tt.want)
		}
	}
}

// TestMalformed refuses what is no policy.
func TestMalformed(t *testing.T) {
	for _, text := range []string{
		``, `[]`, `{}`, `{"Statement": []}`,
		`{"Statement": {"Effect": "Maybe", "Action": "s3:*", "Resource": "*"}}`,
		`{"Statement": {"Effect": "Allow", "Resource": "*"}}`,
		`{"Statement": {"Effect": "Allow", "Action": "s3:*"}}`,
		`{"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": {"StringIs": {"a": "b"}}}}`,
		`{"Statement": {"Effect": "Allow", "Principal": "me", "Action": "s3:*", "Resource": "*"}}`,
		`{"Statement": {"Effect": "Allow", "Action": [null], "Resource": "*"}}`,
	} {
		if _, err := Parse([]byte(text)); err == nil {
			t.Errorf("%s is taken for a policy", text)
		}
	}
}
