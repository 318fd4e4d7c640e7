package awsrules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/s3share/s3share/integration/localbucket/internal/iam"
)

// conditionKeys are the condition keys that S3 takes in a bucket's policy, in lower
// case, with the actions that they may stand with; nil for any. One that ends in a
// slash is followed by a name.
// Source: Service Authorization Reference, "Actions, resources, and condition keys for Amazon S3".
var conditionKeys = map[string][]string{
	"s3:x-amz-acl":                                       aclActions,
	"s3:x-amz-grant-full-control":                        aclActions,
	"s3:x-amz-grant-read":                                aclActions,
	"s3:x-amz-grant-read-acp":                            aclActions,
	"s3:x-amz-grant-write":                               aclActions,
	"s3:x-amz-grant-write-acp":                           aclActions,
	"s3:x-amz-copy-source":                               {"s3:PutObject"},
	"s3:x-amz-metadata-directive":                        {"s3:PutObject"},
	"s3:x-amz-server-side-encryption":                    {"s3:PutObject"},
	"s3:x-amz-server-side-encryption-aws-kms-key-id":     {"s3:PutObject"},
	"s3:x-amz-server-side-encryption-customer-algorithm": {"s3:PutObject"},
	"s3:x-amz-storage-class":                             {"s3:PutObject"},
	"s3:x-amz-website-redirect-location":                 {"s3:PutObject"},
	"s3:if-match":                                        {"s3:PutObject"},
	"s3:if-none-match":                                   {"s3:PutObject"},
	"s3:objectcreationoperation":                         {"s3:PutObject"},
	"s3:prefix":                                          listActions,
	"s3:delimiter":                                       listActions,
	"s3:max-keys":                                        listActions,
	"s3:versionid":                                       nil,
	"s3:existingobjecttag/":                              nil,
	"s3:requestobjecttag/":                               nil,
	"s3:requestobjecttagkeys":                            nil,
	"s3:x-amz-content-sha256":                            nil,
	"s3:authtype":                                        nil,
	"s3:signatureage":                                    nil,
	"s3:signatureversion":                                nil,
	"s3:tlsversion":                                      nil,
	"s3:resourceaccount":                                 nil,
	"s3:dataaccesspointaccount":                          nil,
	"s3:dataaccesspointarn":                              nil,
	"s3:accesspointnetworkorigin":                        nil,
}

var (
	aclActions = []string{"s3:PutObject", "s3:PutObjectAcl", "s3:PutObjectVersionAcl",
		"s3:PutBucketAcl", "s3:CreateBucket"}
	listActions = []string{"s3:ListBucket", "s3:ListBucketVersions"}
)

// CheckPolicy finds what S3 would refuse a bucket's policy for, as MalformedPolicy.
// known tells the accounts that there are.
func (s Set) CheckPolicy(d iam.Document, bucket, partition string,
	known func(account string) bool) error {
	for _, st := range d.Statement {
		if st.Principal == nil && st.NotPrincipal == nil {
			return fmt.Errorf("missing required field Principal")
		}
		for _, p := range []*iam.Principal{st.Principal, st.NotPrincipal} {
			for _, name := range p.Names("AWS") {
				if err := s.checkPrincipal(name, partition, known); err != nil {
					return err
				}
			}
		}
		if err := s.checkResources(st, bucket, partition); err != nil {
			return err
		}
		if err := checkConditions(st); err != nil {
			return err
		}
	}
	return nil
}

func (s Set) checkPrincipal(name, partition string, known func(string) bool) error {
	if name == "*" || known(name) {
		return nil
	}
	f := strings.SplitN(name, ":", 6)
	if len(f) == 6 && f[0] == "arn" && (f[1] == partition || !s[Partitions]) &&
		(f[2] == "iam" || f[2] == "sts") && known(f[4]) {
		return nil
	}
	return fmt.Errorf("invalid principal in policy: %s", name)
}

// checkResources holds the resources against the bucket, and the actions against them.
func (s Set) checkResources(st iam.Statement, bucket, partition string) error {
	onBucket, onObjects := false, false
	for _, r := range slices.Concat(st.Resource, st.NotResource) {
		f := strings.SplitN(r, ":", 6)
		if len(f) != 6 || f[0] != "arn" || f[2] != "s3" || s[Partitions] && f[1] != partition {
			return fmt.Errorf("policy has invalid resource: %s", r)
		}
		name, _, keys := strings.Cut(f[5], "/")
		if name != bucket && !strings.HasSuffix(name, "*") {
			return fmt.Errorf("policy has invalid resource: %s", r)
		}
		onObjects = onObjects || keys || strings.HasSuffix(name, "*")
		onBucket = onBucket || !keys
	}
	for _, a := range slices.Concat(st.Action, st.NotAction) {
		switch {
		case !strings.HasPrefix(strings.ToLower(a), "s3:") && a != "*":
			return fmt.Errorf("policy has invalid action: %s", a)
		case strings.ContainsAny(a, "*?"):
		case isObjectAction(a) && !onObjects, !isObjectAction(a) && !onBucket:
			return fmt.Errorf("action does not apply to any resource(s) in statement")
		}
	}
	return nil
}

// isObjectAction tells actions on objects from those on the bucket.
func isObjectAction(a string) bool {
	a = strings.ToLower(a)
	return strings.Contains(a, "object") && !strings.Contains(a, "bucketobjectlock") ||
		strings.Contains(a, "multipartuploadparts") || a == "s3:abortmultipartupload"
}

func checkConditions(st iam.Statement) error {
	for _, keys := range st.Condition {
		for key := range keys {
			key = strings.ToLower(key)
			if strings.HasPrefix(key, "aws:") {
				continue
			}
			if name, _, is := strings.Cut(key, "/"); is {
				key = name + "/"
			}
			actions, known := conditionKeys[key]
			if !known {
				return fmt.Errorf("policy has an invalid condition key: %s", key)
			}
			for _, a := range st.Action {
				fits := func(b string) bool { return strings.EqualFold(a, b) }
				if actions != nil && !strings.ContainsAny(a, "*?") &&
					!slices.ContainsFunc(actions, fits) {
					return fmt.Errorf(
						"conditions do not apply to combination of actions and resources in statement")
				}
			}
		}
	}
	return nil
}
