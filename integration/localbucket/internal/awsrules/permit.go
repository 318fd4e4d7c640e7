package awsrules

import (
	"slices"
	"strings"

	"github.com/s3share/s3share/integration/localbucket/internal/iam"
)

// Policies are those that a call is judged by.
type Policies struct {
	Owner     string        // account of the bucket's owner
	Partition string        // of the bucket's ARN
	Bucket    *iam.Document // the bucket's; nil for none
	Caller    *iam.Document // the caller's by its own IAM; nil: all is allowed there
}

// Permits reports whether the policies let a call have what it needs. granted tells
// that the object's ACL grants it. A Deny is final. The bucket's own account needs no
// Allow of the bucket's policy; any other needs one, or the ACL, and, where both halves
// are asked for, one of its own IAM.
func (s Set) Permits(c Call, n Need, p Policies, granted bool) bool {
	r := iam.Request{Principal: c.Principal, Account: c.Account,
		Action: n.Action, Context: n.Context}
	r.Resource = "arn:" + p.Partition + ":s3:::" + n.Place.Bucket
	if n.Place.Key != "" {
		r.Resource += "/" + n.Place.Key
	}
	own := iam.Allowed
	if p.Caller != nil && s[BothHalves] {
		own = p.Caller.Judge(r)
	}
	bucket := iam.NoMatch
	if p.Bucket != nil {
		bucket = s.judged(*p.Bucket, n).Judge(r)
	}
	switch {
	case bucket == iam.Denied, own != iam.Allowed && c.Account != "":
		return false
	case c.Account != "" && c.Account == p.Owner:
		return true
	}
	return bucket == iam.Allowed || granted
}

// judged is the policy as it is about a need: of a key that nobody has, the statements
// on the tags of objects are left out where the rule about those is off.
func (s Set) judged(d iam.Document, n Need) iam.Document {
	if n.Context[ignored] == nil {
		return d
	}
	d.Statement = slices.DeleteFunc(slices.Clone(d.Statement), func(st iam.Statement) bool {
		for _, keys := range st.Condition {
			for key := range keys {
				if strings.HasPrefix(strings.ToLower(key), ignored) {
					return true
				}
			}
		}
		return false
	})
	return d
}
