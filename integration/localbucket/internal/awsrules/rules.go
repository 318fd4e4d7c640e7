// Package awsrules holds what AWS documents about S3's authorization and its errors
// that other servers do otherwise: one [Rule] each, with its source, that can be
// switched on and off. It decides by what a request says and by facts about the
// bucket; it knows neither HTTP servers nor storage.
//
// AWS itself was not asked: where its documents are wrong, so is this.
package awsrules

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Rule is one rule of AWS by the name of its switch.
type Rule string

// The rules.
const (
	IfMatchNeedsGet     Rule = "if-match-needs-get"
	PartsWithoutACL     Rule = "parts-without-acl"
	CreationOperation   Rule = "object-creation-operation"
	ACLNeedsPutACL      Rule = "acl-needs-put-object-acl"
	EnforcedRefusesACLs Rule = "enforced-refuses-acls"
	MissingKeyPrefix    Rule = "missing-key-prefix"
	MissingKeyTags      Rule = "missing-key-tags"
	CopyNeedsTagging    Rule = "copy-needs-tagging"
	CopyNeedsAnnotation Rule = "copy-needs-annotation"
	Annotations         Rule = "annotations"
	CopyResetsClass     Rule = "copy-resets-class"
	RequesterPays       Rule = "requester-pays"
	LockNeedsChecksum   Rule = "lock-needs-checksum"
	Partitions          Rule = "partitions"
	Archived            Rule = "archived"
	CustomerKeys        Rule = "customer-keys"
	PayloadSigning      Rule = "payload-signing"
	AccessPoints        Rule = "access-points"
	RegionalNames       Rule = "regional-names"
	ClosedNewBuckets    Rule = "closed-new-buckets"
	CanonicalIDs        Rule = "canonical-ids"
	BothHalves          Rule = "both-halves"
)

// Doc says what a rule means, and where AWS says so.
type Doc struct{ Means, Source string }

// Docs are all rules.
var Docs = map[Rule]Doc{
	IfMatchNeedsGet: {
		"If-Match on PutObject, CompleteMultipartUpload and CopyObject needs s3:GetObject besides s3:PutObject; If-None-Match does not",
		`S3 User Guide, "Add preconditions to S3 operations with conditional requests" and "Enforce conditional writes on Amazon S3 buckets"`,
	},
	PartsWithoutACL: {
		"UploadPart, UploadPartCopy and CompleteMultipartUpload carry no ACL: a Deny on s3:x-amz-acl judges them as requests without one",
		`S3 API Reference, UploadPart, "Request headers"; aws/aws-cli#1674, boto/boto3#2525`,
	},
	CreationOperation: {
		"s3:ObjectCreationOperation is true for PutObject, CopyObject and CompleteMultipartUpload, false for CreateMultipartUpload, UploadPart and UploadPartCopy",
		`S3 User Guide, "Enforce conditional writes on Amazon S3 buckets"`,
	},
	ACLNeedsPutACL: {
		"an upload or a copy that carries an ACL needs s3:PutObjectAcl besides s3:PutObject",
		`S3 User Guide, "Required permissions for Amazon S3 API operations"`,
	},
	EnforcedRefusesACLs: {
		"where ACLs are off, any ACL but bucket-owner-full-control is 400 AccessControlListNotSupported",
		`S3 User Guide, "Controlling ownership of objects and disabling ACLs for your bucket"`,
	},
	MissingKeyPrefix: {
		"GET or HEAD of a missing key is 403 without s3:ListBucket, which is judged with the key as s3:prefix",
		`S3 API Reference, GetObject, "Permissions"; ceph/ceph#68577`,
	},
	MissingKeyTags: {
		"a key that nobody has has no tags, so that a Deny with StringNotEquals on s3:ExistingObjectTag is about it as well",
		`IAM User Guide, "IAM JSON policy elements: Condition operators"; GuardDuty User Guide, tag-based access control for scanned objects`,
	},
	CopyNeedsTagging: {
		"CopyObject of a tagged object needs s3:GetObjectTagging there and s3:PutObjectTagging where it goes, whatever the tagging directive",
		`S3 User Guide, "Required permissions for Amazon S3 API operations"; Seagate/cortx#3033, ceph/ceph#47897, nasa/cumulus-orca#530`,
	},
	Annotations: {
		"a version of an object has up to 1,000 annotations, which CopyObject takes along unless it excludes them, and what replaces the version has none",
		`S3 User Guide, "Annotating your objects"; S3 API Reference, CopyObject and PutObjectAnnotation`,
	},
	CopyNeedsAnnotation: {
		"CopyObject of an annotated object needs s3:GetObjectAnnotation there and s3:PutObjectAnnotation where it goes, unless it excludes the annotations",
		`S3 API Reference, CopyObject, x-amz-object-annotation-directive`,
	},
	CopyResetsClass: {
		"a copy is STANDARD unless the request names a storage class",
		`S3 API Reference, CopyObject, x-amz-storage-class`,
	},
	RequesterPays: {
		"where the requester pays, requests of others than the owner are 403 without x-amz-request-payer",
		`S3 User Guide, "Using Requester Pays general purpose buckets"`,
	},
	LockNeedsChecksum: {
		"in a bucket with Object Lock PutObject and UploadPart are 400 InvalidRequest without Content-MD5 or a checksum",
		`S3 API Reference, PutObject and UploadPart; S3 User Guide, "Object Lock considerations"`,
	},
	Partitions: {
		"ARNs of a policy have to be of the region's partition",
		`AWS General Reference, "Amazon Resource Names (ARNs)"`,
	},
	Archived: {
		"GET of an archived object is 403 InvalidObjectState, and a copy of it 403 ObjectNotInActiveTierError, until it is restored",
		`S3 API Reference, "Error responses" and CopyObject`,
	},
	CustomerKeys: {
		"an object that was encrypted with a key of the customer's is 400 without that key",
		`S3 User Guide, "Using server-side encryption with customer-provided keys (SSE-C)"`,
	},
	PayloadSigning: {
		"s3:x-amz-content-sha256 is what the request says of its payload, so that a policy can refuse UNSIGNED-PAYLOAD",
		`S3 API Reference, "Bucket policy examples using Signature Version 4 related condition keys"`,
	},
	AccessPoints: {
		"a bucket answers by the host of its access points and by their aliases",
		`S3 User Guide, "Referencing access points with ARNs, access point aliases, or virtual-hosted-style URIs"`,
	},
	RegionalNames: {
		"a bucket whose name ends in -ACCOUNT-REGION-an is made by that account alone, with x-amz-bucket-namespace: account-regional",
		`S3 User Guide, "General purpose bucket naming rules"; S3 API Reference, CreateBucket`,
	},
	ClosedNewBuckets: {
		"new buckets have ACLs off and all of Block Public Access on",
		`S3 User Guide, "Default settings for new S3 buckets FAQ"`,
	},
	CanonicalIDs: {
		"listings and ACLs name accounts by their canonical ids, not by account ids",
		`S3 User Guide, "Access control list (ACL) overview"`,
	},
	BothHalves: {
		"another account than the owner's needs an Allow by the bucket's policy and one by its own IAM",
		`IAM User Guide, "Cross-account policy evaluation logic"`,
	},
}

// Set are the rules that hold.
type Set map[Rule]bool

// All has every rule.
func All() Set {
	s := Set{}
	for r := range Docs {
		s[r] = true
	}
	return s
}

// Without is the set without these rules.
func (s Set) Without(rules ...Rule) Set {
	out := maps.Clone(s)
	for _, r := range rules {
		delete(out, r)
	}
	return out
}

// Parse reads a list of rules with commas between: those named, or, where the first
// begins with a minus, all but those. "all" is all of them, "" none.
func Parse(text string) (Set, error) {
	s := Set{}
	if text == "" {
		return s, nil
	}
	for i, name := range strings.Split(text, ",") {
		name, minus := strings.CutPrefix(name, "-")
		if i == 0 && minus {
			s = All()
		}
		r := Rule(name)
		switch _, known := Docs[r]; {
		case name == "all" && !minus:
			maps.Copy(s, All())
		case !known:
			return nil, fmt.Errorf("no rule %q; there are %s", name, strings.Join(Names(), ", "))
		case minus:
			delete(s, r)
		default:
			s[r] = true
		}
	}
	return s, nil
}

// Names are the names of all rules, sorted.
func Names() []string {
	var names []string
	for r := range Docs {
		names = append(names, string(r))
	}
	slices.Sort(names)
	return names
}
