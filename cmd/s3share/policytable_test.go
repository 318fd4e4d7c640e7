package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/testhome"
)

// statement writes one of the exchange team-exchange; more are further members.
func statement(effect, principal, actions, resources string, more ...string) string {
	text := fmt.Sprintf(`{"Effect": %q, "Principal": %s, "Action": %s, "Resource": %s`,
		effect, principal, actions, resources)
	for _, m := range more {
		text += ", " + m
	}
	return text + "}"
}

const (
	bucketARN   = `"arn:aws:s3:::team-exchange"`
	bothFolders = `["arn:aws:s3:::team-exchange/Submissions/*", "arn:aws:s3:::team-exchange/Delivery/*"]`
	theDelivery = `"arn:aws:s3:::team-exchange/Delivery/*"`
	partner     = `{"AWS": "arn:aws:iam::444455556666:root"}`
	anybody     = `"*"`
	ownersACL   = `"Condition": {"StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}}`
	tlsOnly     = `{"Sid": "TLS", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [` + bucketARN + `, "arn:aws:s3:::team-exchange/*"], "Condition": {"Bool": {"aws:SecureTransport": "false"}}}`
)

// rightFor are the statements of an exchange with a principal, without the Deny.
func rightFor(principal string) string {
	return strings.Join([]string{
		statement("Allow", principal, `["s3:ListBucket", "s3:GetBucketLocation"]`, bucketARN),
		statement("Allow", principal, `"s3:GetObject"`, bothFolders),
		statement("Allow", principal,
			`["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]`, theDelivery),
		statement("Allow", principal, `"s3:PutObjectAcl"`, theDelivery, ownersACL),
	}, ",\n")
}

func policyOf(statements ...string) string {
	return `{"Version": "2012-10-17", "Statement": [` + strings.Join(statements, ",\n") + `]}`
}

// rightAnd is a policy that is right, and statements beside.
func rightAnd(statements ...string) string {
	return policyOf(append([]string{rightFor(partner), tlsOnly}, statements...)...)
}

// reads is a statement that lets a principal get from the folders on a condition.
func reads(principal, condition string) string {
	return statement("Allow", principal, `"s3:GetObject"`, bothFolders, `"Condition": `+condition)
}

// plainDeny is a statement that refuses requests without TLS.
func plainDeny(what string) string {
	return `{"Effect": "Deny", "Principal": "*", ` +
		what + `, "Condition": {"Bool": {"aws:SecureTransport": "false"}}}`
}

// TestPolicyCheckTable holds policies that are too wide, and right ones, against what
// --check finds: each of the first has a finding that is worse than a note, and none of
// the others has one.
func TestPolicyCheckTable(t *testing.T) {
	allow := func(actions, resources string) string {
		return statement("Allow", partner, actions, resources)
	}
	for _, tt := range []struct{ name, policy string }{
		// Everybody, on a condition that keeps few out.
		{"everybody", rightAnd(statement("Allow", anybody, `"s3:GetObject"`, bothFolders))},
		{"everybody as AWS", rightAnd(statement("Allow", `{"AWS": ["444455556666", "*"]}`, `"s3:GetObject"`, bothFolders))},
		{"all addresses", rightAnd(reads(anybody, `{"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}`))},
		{"two halves of all addresses", rightAnd(reads(anybody, `{"IpAddress": {"aws:SourceIp": ["0.0.0.0/1", "128.0.0.0/1"]}}`))},
		{"two /8", rightAnd(reads(anybody, `{"IpAddress": {"aws:SourceIp": ["3.0.0.0/8", "52.0.0.0/8"]}}`))},
		{"all addresses of IPv6", rightAnd(reads(anybody, `{"IpAddress": {"aws:SourceIp": ["203.0.113.0/24", "::/0"]}}`))},
		{"all addresses of IPv4 as IPv6", rightAnd(reads(anybody, `{"IpAddress": {"aws:SourceIp": "::ffff:0:0/96"}}`))},
		{"all addresses but some", rightAnd(reads(anybody, `{"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}}`))},
		{"any role of any account", rightAnd(reads(anybody, `{"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/delivery"}}`))},
		{"any name", rightAnd(reads(anybody, `{"StringLike": {"aws:PrincipalArn": "*"}}`))},
		{"one name and any other", rightAnd(reads(anybody, `{"StringLike": {"aws:PrincipalArn": ["arn:aws:iam::444455556666:role/delivery", "arn:aws:iam::??????????66:role/delivery"]}}`))},
		{"any organization", rightAnd(reads(anybody, `{"StringLike": {"aws:PrincipalOrgID": "o-*"}}`))},
		{"an organization that is a variable", rightAnd(reads(anybody, `{"StringEquals": {"aws:PrincipalOrgID": "${aws:PrincipalOrgID}"}}`))},
		{"any part of any organization", rightAnd(reads(anybody, `{"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": "o-*/*"}}`))},
		{"an organization if there is one", rightAnd(reads(anybody, `{"StringEqualsIfExists": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}`))},
		{"all of no values", rightAnd(reads(anybody, `{"ForAllValues:StringEquals": {"aws:PrincipalArn": "arn:aws:iam::444455556666:role/delivery"}}`))},
		{"any of the values of a key that has one", rightAnd(reads(anybody, `{"ForAnyValue:StringEquals": {"aws:PrincipalAccount": "444455556666"}}`))},
		{"any endpoint", rightAnd(reads(anybody, `{"StringLike": {"aws:SourceVpce": "vpce-*"}}`))},
		{"a referer", rightAnd(reads(anybody, `{"StringLike": {"aws:Referer": "https://www.example.com/*"}}`))},
		{"a tag of the object", rightAnd(reads(anybody, `{"StringEquals": {"s3:ExistingObjectTag/public": "yes"}}`))},
		{"who is not of an account", rightAnd(reads(anybody, `{"StringNotEquals": {"aws:PrincipalAccount": "777788889999"}}`))},
		{"whoever has TLS", rightAnd(reads(anybody, `{"Bool": {"aws:SecureTransport": "true"}}`))},
		{"everybody but one", rightAnd(strings.Replace(statement("Allow", partner, `"s3:GetObject"`, bothFolders), `"Principal"`, `"NotPrincipal"`, 1))},
		// Whom an exchange does not know.
		{"a canonical user", rightAnd(statement("Allow", `{"CanonicalUser": "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"}`, `"s3:GetObject"`, bothFolders))},
		{"a federated user", rightAnd(statement("Allow", `{"Federated": "cognito-identity.amazonaws.com"}`, `"s3:GetObject"`, bothFolders))},
		{"a service for anybody", rightAnd(statement("Allow", `{"Service": "logging.s3.amazonaws.com"}`, `"s3:PutObject"`, `"arn:aws:s3:::team-exchange/logs/*"`))},
		{"a service in the folders", rightAnd(statement("Allow", `{"Service": "cloudfront.amazonaws.com"}`, `"s3:GetObject"`, `"arn:aws:s3:::team-exchange/*"`, `"Condition": {"StringEquals": {"aws:SourceArn": "arn:aws:cloudfront::111122223333:distribution/E"}}`))},
		{"users by a pattern", rightAnd(statement("Allow", `{"AWS": "arn:aws:iam::444455556666:user/*"}`, `"s3:GetObject"`, bothFolders))},
		// What an exchange does not do.
		{"every action", rightAnd(allow(`"s3:*"`, bothFolders))},
		{"every action, written otherwise", rightAnd(allow(`"S3:**"`, bothFolders))},
		{"put anything", rightAnd(allow(`"s3:Put*"`, bothFolders))},
		{"all but some actions", rightAnd(strings.Replace(allow(`"s3:DeleteObject"`, bothFolders), `"Action"`, `"NotAction"`, 1))},
		{"DeleteBucketPolicy", rightAnd(allow(`"s3:DeleteBucketPolicy"`, bucketARN))},
		{"PutReplicationConfiguration", rightAnd(allow(`"s3:PutReplicationConfiguration"`, bucketARN))},
		{"PutBucketPublicAccessBlock", rightAnd(allow(`"s3:putbucketpublicaccessblock"`, bucketARN))},
		{"PutObjectVersionAcl", rightAnd(allow(`"s3:PutObjectVersionAcl"`, bothFolders))},
		{"BypassGovernanceRetention", rightAnd(allow(`["s3:DeleteObject", "s3:BypassGovernanceRetention"]`, bothFolders))},
		{"an action nobody knows", rightAnd(allow(`"s3:PutObjectSomewhere"`, bothFolders))},
		{"another ACL", rightAnd(statement("Allow", partner, `"s3:PutObjectAcl"`, theDelivery, `"Condition": {"StringEquals": {"s3:x-amz-acl": ["bucket-owner-full-control", "public-read"]}}`))},
		{"any ACL", rightAnd(statement("Allow", partner, `"s3:PutObjectAcl"`, theDelivery, `"Condition": {"StringLike": {"s3:x-amz-acl": "*"}}`))},
		// Where an exchange is not.
		{"the whole bucket", rightAnd(allow(`"s3:GetObject"`, `"arn:aws:s3:::team-exchange/*"`))},
		{"names that begin like a folder", rightAnd(allow(`"s3:GetObject"`, `"arn:aws:s3:::team-exchange/Submissions*"`))},
		{"every bucket", rightAnd(allow(`"s3:GetObject"`, `"*"`))},
		{"a third folder", rightAnd(allow(`"s3:GetObject"`, `"arn:aws:s3:::team-exchange/Payroll/*"`))},
		{"a folder by a variable", rightAnd(allow(`"s3:GetObject"`, `"arn:aws:s3:::team-exchange/${aws:username}/*"`))},
		{"all but a folder", rightAnd(strings.Replace(allow(`"s3:GetObject"`, `"arn:aws:s3:::team-exchange/Payroll/*"`), `"Resource"`, `"NotResource"`, 1))},
		{"another bucket", rightAnd(allow(`"s3:GetObject"`, `"arn:aws:s3:::team-exchange-2/Delivery/*"`))},
		// Two readers could understand it in two ways.
		{"two principals", rightAnd(strings.Replace(statement("Allow", partner, `"s3:GetObject"`, bothFolders), `"Action"`, `"principal": "*", "Action"`, 1))},
		{"two effects", rightAnd(strings.Replace(statement("Deny", anybody, `"s3:GetObject"`, bothFolders), `"Action"`, `"Effect": "Allow", "Action"`, 1))},
		{"a key of a condition twice", rightAnd(reads(anybody, `{"IpAddress": {"aws:SourceIp": "0.0.0.0/0", "aws:SourceIp": "203.0.113.0/24"}}`))},
		{"no such operator", rightAnd(reads(partner, `{"StringEqual": {"aws:PrincipalArn": "x"}}`))},
		{"without TLS", policyOf(rightFor(partner))},
		{"TLS for getting and putting alone", policyOf(rightFor(partner), plainDeny(`"Action": ["s3:GetObject", "s3:PutObject"], "Resource": [`+bucketARN+`, "arn:aws:s3:::team-exchange/*"]`))},
		{"TLS but for listing", policyOf(rightFor(partner), plainDeny(`"NotAction": "s3:ListBucket", "Resource": [`+bucketARN+`, "arn:aws:s3:::team-exchange/*"]`))},
		{"TLS but for a folder", policyOf(rightFor(partner), plainDeny(`"Action": "s3:*", "NotResource": "arn:aws:s3:::team-exchange/Delivery/*"`))},
	} {
		t.Run("wide/"+tt.name, func(t *testing.T) { checks(t, tt.policy, true) })
	}
	const (
		wholeBucket = `["arn:aws:s3:::team-exchange", "arn:aws:s3:::team-exchange/*"]`
		stranger    = `{"AWS": "arn:aws:iam::999988887777:root"}`
		forService  = `"Condition": {"StringEquals": {"aws:SourceAccount": "111122223333"}}`
		needsACL    = `"Condition": {"StringNotEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}}`
	)
	acl := func(condition string) string {
		return rightAnd(statement("Allow", partner, `"s3:PutObjectAcl"`, theDelivery,
			`"Condition": {`+condition+`}`))
	}
	from := func(ranges string) string {
		return rightAnd(reads(anybody, `{"IpAddress": {"aws:SourceIp": `+ranges+`}}`))
	}
	except := func(condition string) string {
		return rightAnd(statement("Deny", anybody, `"s3:*"`,
			wholeBucket, `"Condition": {`+condition+`}`))
	}
	deny := func(principal, actions, resources string, more ...string) string {
		return rightAnd(statement("Deny", principal, actions, resources, more...))
	}
	withoutVersion := func(version, policy string) string {
		return strings.Replace(policy, `"Version": "2012-10-17", `, version, 1)
	}
	for _, tt := range []struct {
		name, policy, says string
		args               []string
	}{
		// What s3share cannot do its work under.
		{"no part of an upload", deny(anybody, `"s3:PutObject"`, theDelivery, needsACL), "missing: arn:aws:iam::444455556666:root may not put parts", nil},
		{"no part of an upload, by the Allow", policyOf(strings.Replace(rightFor(partner), theDelivery+`}`, theDelivery+`, `+ownersACL+`}`, 1), tlsOnly), "may not put parts", nil},
		{"everything refused", deny(anybody, `"s3:*"`, `"*"`), "missing", nil},
		{"everything refused to the client", deny(partner, `"s3:*"`, wholeBucket), "missing: arn:aws:iam::444455556666:root may do nothing", nil},
		{"with TLS and without", policyOf(rightFor(partner), strings.Replace(tlsOnly, `"false"`, `["false", "true"]`, 1)), "missing: arn:aws:iam::444455556666:root may do nothing", nil},
		{"nobody let in", policyOf(tlsOnly), "missing: it lets no account", nil},
		{"a service alone", policyOf(tlsOnly, statement("Allow", `{"Service": "logging.s3.amazonaws.com"}`, `"s3:PutObject"`, `"arn:aws:s3:::team-exchange/logs/*"`, forService)), "missing: it lets no account", nil},
		{"nothing for one of two clients", rightAnd(rightFor(stranger), statement("Deny", stranger, `"s3:*"`, wholeBucket)), "missing: arn:aws:iam::999988887777:root may do nothing", nil},
		{"another client", rightAnd(), "missing: arn:aws:iam::999988887777:root may do nothing", []string{"--client", "999988887777"}},
		{"a client that is not let list", policyOf(rightFor(partner), tlsOnly, statement("Allow", stranger, `"s3:GetObject"`, bothFolders)), "missing: arn:aws:iam::999988887777:root may not list", []string{"--client", "999988887777"}},
		{"the owner, by the account", except(`"StringNotEquals": {"aws:PrincipalAccount": "444455556666"}`), "to the bucket's owner too", nil},
		{"the owner, by a name", except(`"ArnNotEquals": {"aws:PrincipalArn": "arn:aws:iam::444455556666:role/delivery"}`), "to the bucket's owner too", nil},
		{"the owner, by a pattern of names", except(`"StringNotLike": {"aws:PrincipalArn": "arn:aws:iam::444455556666:*"}`), "to the bucket's owner too", nil},
		{"the owner, by NotPrincipal", rightAnd(strings.Replace(statement("Deny", partner, `"s3:*"`, wholeBucket), `"Principal"`, `"NotPrincipal"`, 1)), "to the bucket's owner too", nil},
		// What S3 refuses.
		{"an object's action on the bucket alone", policyOf(statement("Allow", partner, `"s3:GetObject"`, bucketARN), tlsOnly), "wrong number 1: s3:GetObject is about objects", nil},
		{"an object's action on the bucket", rightAnd(allow(`"s3:PutObject"`, bucketARN)), "wrong", nil},
		{"the bucket's action on objects", rightAnd(allow(`"s3:ListBucket"`, theDelivery)), "wrong", nil},
		{"the bucket's action on objects, beside an object's", rightAnd(allow(`["s3:GetObject", "s3:GetBucketLocation"]`, bothFolders)), "wrong", nil},
		{"the bucket's action refused on objects", deny(partner, `"s3:ListBucket"`, theDelivery), "wrong", nil},
		{"another version", withoutVersion(`"Version": "2020-01-01", `, rightAnd()), `wrong: the Version "2020-01-01"`, nil},
		{"a version that is a number", withoutVersion(`"Version": 2012, `, rightAnd()), "wrong: the Version", nil},
		{"a variable in an old version", withoutVersion(`"Version": "2008-10-17", `, rightAnd(allow(`"s3:GetObject"`, `"arn:aws:s3:::team-exchange/Delivery/${aws:username}/*"`))), "wrong", nil},
		{"a variable without a version", withoutVersion("", rightAnd(allow(`"s3:GetObject"`, `"arn:aws:s3:::team-exchange/Delivery/${aws:username}/*"`))), "wrong", nil},
		{"a service in another bucket", rightAnd(statement("Allow", `{"Service": "logging.s3.amazonaws.com"}`, `"s3:PutObject"`, `"arn:aws:s3:::other/*"`, forService)), "wrong", nil},
		{"another bucket refused", deny(partner, `"s3:GetObject"`, `"arn:aws:s3:::other/*"`), "wrong", nil},
		{"any service", rightAnd(statement("Allow", `{"Service": "*"}`, `"s3:PutObject"`, `"arn:aws:s3:::team-exchange/logs/*"`, forService)), "wrong", nil},
		{"a service of somebody", rightAnd(statement("Allow", `{"Service": ["s3.amazonaws.com", "evil.example.com"]}`, `"s3:PutObject"`, `"arn:aws:s3:::team-exchange/logs/*"`, forService)), "wrong", nil},
		{"a service whose name begins like one", rightAnd(statement("Allow", `{"Service": "s3.amazonaws.com.example.com"}`, `"s3:PutObject"`, `"arn:aws:s3:::team-exchange/logs/*"`, forService)), "wrong", nil},
		// Whom and what an exchange has no need of.
		{"all of IPv4 among IPv6, /32", from(`"::/32"`), "wide", nil},
		{"all of IPv4 among IPv6, /64", from(`["203.0.113.0/24", "::/64"]`), "wide", nil},
		{"all of IPv4 among IPv6, /95", from(`"::ffff:0:0/95"`), "wide", nil},
		{"half of IPv4 as IPv6", from(`"::ffff:0:0/97"`), "wide", nil},
		{"a federated user by STS", rightAnd(statement("Allow", `{"AWS": "arn:aws:sts::444455556666:federated-user/bob"}`, `"s3:GetObject"`, bothFolders)), "wide", nil},
		{"a public ACL elsewhere", acl(`"StringEquals": {"s3:x-amz-acl": "public-read"}`), "wide", []string{"--endpoint-url", "http://127.0.0.1:1"}},
		{"a public ACL in capitals", acl(`"StringEqualsIgnoreCase": {"s3:x-amz-acl": "PUBLIC-READ"}`), "the ACL public-read", nil},
		{"a public ACL by a pattern", acl(`"StringLike": {"s3:x-amz-acl": "public-*"}`), "the ACL public-read", nil},
		{"a grant to all users", acl(`"StringEquals": {"s3:x-amz-grant-read": "uri=http://acs.amazonaws.com/groups/global/AllUsers"}`), "wide", nil},
		{"a grant to all users, by a word", acl(`"StringEquals": {"s3:x-amz-grant-full-control": "AllUsers"}`), "wide", nil},
		{"a grant to anybody", acl(`"StringLike": {"s3:x-amz-grant-read-acp": "id=*"}`), "wide", nil},
		{"an ACL by which the owner only reads", acl(`"StringEquals": {"s3:x-amz-acl": "bucket-owner-read"}`), "wide", nil},
		{"an ACL that keeps the owner out", acl(`"StringEquals": {"s3:x-amz-acl": ["bucket-owner-full-control", "private"]}`), "wide", nil},
		{"any ACL where they are on", rightAnd(allow(`"s3:PutObjectAcl"`, theDelivery)), "wide", []string{"--ownership", "writer"}},
		{"any ACL but one where they are on", acl(`"StringNotEquals": {"s3:x-amz-acl": "private"}`), "wide", []string{"--ownership", "preferred"}},
	} {
		t.Run("told/"+tt.name, func(t *testing.T) {
			out := checks(t, tt.policy, true, tt.args...)
			if !strings.Contains(out, tt.says) {
				t.Errorf("it does not say %q of\n%s\n%s", tt.says, tt.policy, out)
			}
		})
	}
	for _, tt := range []struct{ name, policy string }{
		{"an account", rightAnd()},
		{"the earlier version", withoutVersion(`"Version": "2008-10-17", `, rightAnd())},
		{"no version", withoutVersion("", rightAnd())},
		{"nobody but the owner and the client", except(`"StringNotEquals": {"aws:PrincipalAccount": ["444455556666", "111122223333"]}`)},
		{"nobody but names of the owner and the client", except(`"ArnNotLike": {"aws:PrincipalArn": ["arn:aws:iam::444455556666:*", "arn:aws:iam::111122223333:*"]}`)},
		{"nobody but an organization", except(`"StringNotEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}`)},
		{"actions of both on both", rightAnd(allow(`["s3:ListBucket", "s3:GetObject"]`, `["arn:aws:s3:::team-exchange", "arn:aws:s3:::team-exchange/Delivery/*"]`))},
		{"an account that reads the settings alone", rightAnd(statement("Allow", stranger, `"s3:GetBucketPolicy"`, bucketARN))},
		{"IPv6 beside IPv4 as IPv6", from(`["::ffff:203.0.113.0/120", "2001:db8::/32"]`)},
		{"an account by its id", policyOf(rightFor(`{"AWS": "444455556666"}`), tlsOnly)},
		{"a role", policyOf(rightFor(`{"AWS": "arn:aws:iam::444455556666:role/delivery"}`), tlsOnly)},
		{"a user", policyOf(rightFor(`{"AWS": "arn:aws:iam::444455556666:user/path/ann"}`), tlsOnly)},
		{"a session of a role", policyOf(rightFor(`{"AWS": "arn:aws:sts::444455556666:assumed-role/delivery/ann"}`), tlsOnly)},
		{"two accounts", policyOf(rightFor(`{"AWS": ["444455556666", "arn:aws:iam::777788889999:root"]}`), tlsOnly)},
		{"two clients", policyOf(rightFor(partner), rightFor(`{"AWS": "arn:aws:iam::777788889999:root"}`), tlsOnly)},
		{"deletes", rightAnd(allow(`"s3:DeleteObject"`, bothFolders))},
		{"puts in both", rightAnd(allow(`["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]`, bothFolders))},
		{"actions in other letters", rightAnd(allow(`"s3:GETOBJECT"`, bothFolders))},
		{"one key", rightAnd(allow(`"s3:GetObject"`, `"arn:aws:s3:::team-exchange/Submissions/read-me.txt"`))},
		{"a folder for each user", rightAnd(allow(`["s3:GetObject", "s3:PutObject"]`, `"arn:aws:s3:::team-exchange/Delivery/${aws:username}/*"`))},
		{"lists the folders alone", rightAnd(statement("Allow", partner, `"s3:ListBucket"`, bucketARN, `"Condition": {"StringLike": {"s3:prefix": ["Submissions/*", "Delivery/*"]}}`))},
		{"on any condition", rightAnd(reads(partner, `{"StringLike": {"aws:PrincipalArn": "arn:aws:iam::444455556666:role/*"}, "StringEqualsIfExists": {"aws:SourceVpce": "vpce-*"}}`))},
		{"from addresses", rightAnd(reads(partner, `{"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}`))},
		{"during a time", rightAnd(reads(partner, `{"DateLessThan": {"aws:CurrentTime": "2030-01-01T00:00:00Z"}}`))},
		{"old versions", rightAnd(allow(`["s3:GetObject", "s3:GetObjectVersion"]`, bothFolders), allow(`"s3:ListBucketVersions"`, bucketARN))},
		{"uploads under way", rightAnd(allow(`"s3:ListBucketMultipartUploads"`, bucketARN))},
		{"everything that reads objects", rightAnd(allow(`"s3:GetObject*"`, bothFolders))},
		{"the settings", rightAnd(allow(`["s3:GetBucketPolicy", "s3:GetBucketOwnershipControls", "s3:GetEncryptionConfiguration"]`, bucketARN))},
		// As AWS documents them, for the two folders.
		{"AWS: uploads need the ACL", rightAnd(
			statement("Allow", partner, `"s3:PutObject"`, theDelivery, ownersACL),
			statement("Deny", partner, `"s3:PutObject"`, theDelivery,
				`"Condition": {"StringNotEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}, "Null": {"s3:x-amz-acl": "false"}}`))},
		{"AWS: an organization", rightAnd(reads(anybody, `{"StringEquals": {"aws:PrincipalOrgID": ["o-aa111bb222"]}}`))},
		{"AWS: a part of an organization", rightAnd(reads(anybody, `{"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": ["o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/*"]}}`))},
		{"AWS: an endpoint", rightAnd(reads(anybody, `{"StringEquals": {"aws:SourceVpce": "vpce-0abcdef1234567890"}}`))},
		{"AWS: a network", rightAnd(reads(anybody, `{"StringEquals": {"aws:SourceVpc": "vpc-111bbb22"}}`))},
		{"AWS: a few addresses", rightAnd(reads(anybody, `{"IpAddress": {"aws:SourceIp": ["192.0.2.0/24", "2001:db8:1234:5678::/64", "10.0.0.0/8"]}}`))},
		{"AWS: no other addresses", rightAnd(statement("Deny", anybody, `"s3:*"`, bothFolders, `"Condition": {"NotIpAddress": {"aws:SourceIp": ["192.0.2.0/24", "203.0.113.0/24"]}}`))},
		{"AWS: no other endpoint", rightAnd(statement("Deny", anybody, `"s3:GetObject"`, bothFolders, `"Condition": {"StringNotEquals": {"aws:SourceVpce": "vpce-1a2b3c4d"}}`))},
		{"AWS: MFA", rightAnd(statement("Deny", anybody, `"s3:DeleteObject"`, bothFolders, `"Condition": {"Null": {"aws:MultiFactorAuthAge": "true"}}`))},
		{"AWS: a version of TLS", rightAnd(statement("Deny", anybody, `"s3:*"`, bothFolders, `"Condition": {"NumericLessThan": {"s3:TlsVersion": 1.2}}`))},
		{"TLS, by two statements", policyOf(rightFor(partner), plainDeny(`"Action": "s3:*", "Resource": `+bucketARN), plainDeny(`"Action": "s3:*Object*", "Resource": "arn:aws:s3:::team-exchange/*"`), plainDeny(`"Action": "s3:*Multipart*", "Resource": "arn:aws:s3:::team-exchange/*"`))},
		{"AWS: no keys of customers", rightAnd(statement("Deny", anybody, `"s3:PutObject"`, bothFolders, `"Condition": {"Null": {"s3:x-amz-server-side-encryption-customer-algorithm": "false"}}`))},
		{"AWS: access logs", rightAnd(statement("Allow", `{"Service": "logging.s3.amazonaws.com"}`, `"s3:PutObject"`, `"arn:aws:s3:::team-exchange/EXAMPLE-LOGS*"`, `"Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::source-bucket"}, "StringEquals": {"aws:SourceAccount": "111122223333"}}`))},
		{"AWS: an inventory", rightAnd(statement("Allow", `{"Service": "s3.amazonaws.com"}`, `"s3:PutObject"`, `["arn:aws:s3:::team-exchange/inventory/*"]`, `"Condition": {"ArnLike": {"aws:SourceArn": ["arn:aws:s3:::source-bucket"]}, "StringEquals": {"aws:SourceAccount": ["111122223333"], "s3:x-amz-acl": ["bucket-owner-full-control"]}}`))},
		{"AWS: an account for everybody", rightAnd(reads(anybody, `{"StringEquals": {"aws:PrincipalAccount": "444455556666"}}`))},
		{"AWS: a role for everybody", rightAnd(reads(anybody, `{"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::444455556666:role/delivery"}}`))},
	} {
		t.Run("right/"+tt.name, func(t *testing.T) { checks(t, tt.policy, false) })
	}
}

// checks has --check look at a policy.
func checks(t *testing.T, policy string, wide bool, args ...string) string {
	t.Helper()
	dir := testhome.Home(t)
	testhome.Write(t, dir, "policy.json", policy)
	out, code := s3share(t,
		dir, nil, append([]string{"policy", "--check", "policy.json"}, args...)...)
	if (code == hint.ExitFailed) != wide || code != hint.ExitFailed && code != hint.ExitOK {
		t.Errorf("exit status %d for\n%s\n%s", code, policy, out)
	}
	return out
}
