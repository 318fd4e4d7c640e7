package gateway

import (
	"strings"

	"github.com/versity/versitygw/auth"

	"github.com/s3share/s3share/integration/localbucket/internal/objacl"
)

// EvaluatePolicy implements auth.PolicyEvaluator: what an account may do
// without the help of a bucket policy. It may do everything in its own
// buckets, whose Backend then asks the object's ACL, and elsewhere what an
// object's ACL grants it. A Deny in the bucket policy goes before either.
func (a *accounts) EvaluatePolicy(accessKey, _ string, actions []auth.Action, resources []string,
	_ map[string][]string) (auth.PolicyEvaluation, error) {
	var out auth.PolicyEvaluation
	out.PrincipalArn = "arn:aws:iam::" + a.id(accessKey) + ":root"
	out.Decisions = decide(out.Decisions, len(resources), len(actions), func(r, c int) bool {
		name := strings.TrimPrefix(resources[r], auth.ResourceArnPrefix)
		return a.allows(a.id(accessKey), actions[c], name)
	})
	return out, nil
}

// aclPermissions are the actions that an object's ACL can grant.
// Source: Amazon S3 User Guide, "Mapping of ACL permissions and access policy
// permissions".
var aclPermissions = map[auth.Action]objacl.Permission{
	auth.GetObjectAction:           objacl.Read,
	auth.GetObjectVersionAction:    objacl.Read,
	auth.GetObjectAttributesAction: objacl.Read,
	auth.GetObjectAclAction:        objacl.ReadACP,
	auth.PutObjectAclAction:        objacl.WriteACP,
}

// allows decides one action on one resource, "bucket" or "bucket/key".
func (a *accounts) allows(caller string, action auth.Action, resource string) bool {
	if action == auth.CreateBucketAction || action == auth.ListAllMyBucketsAction {
		return true
	}
	bucketName, key, _ := strings.Cut(resource, "/")
	if a.store.bucketOwner(bucketName) == caller {
		return true
	}
	need, granted := aclPermissions[action]
	if !granted || key == "" || a.store.ownership(bucketName) == objacl.Enforced {
		return false
	}
	acl, ok := a.store.acl(bucketName, key)
	return ok && acl.Allows(caller, need)
}

// decide fills a matrix of the gateway's decisions, whose type has no exported
// name: zero says that nothing matched, one that it is allowed.
func decide[D ~int](_ [][]D, rows, columns int, allow func(r, c int) bool) [][]D {
	out := make([][]D, rows)
	for r := range out {
		out[r] = make([]D, columns)
		for c := range out[r] {
			if allow(r, c) {
				out[r][c] = 1
			}
		}
	}
	return out
}
