package access

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/s3share/s3share/s3backend"
)

// Grant is what a client may do, by the name that people choose it by.
type Grant string

// The grants, from the narrowest to the widest.
const (
	Dropbox Grant = "dropbox" // put in the delivery folder; read nothing
	Folders Grant = "folders" // put in the delivery folder, get from both
	article Grant = "article" // get and put in both
	Full    Grant = "full"    // delete as well
)

// Grants are all of them.
func Grants() []Grant { return []Grant{Dropbox, Folders, article, Full} }

// ParseGrant finds a grant by its name.
func ParseGrant(name string) (Grant, error) {
	if g := Grant(name); slices.Contains(Grants(), g) {
		return g, nil
	}
	return "", fmt.Errorf("no grant is called %q; there are dropbox, folders, article and full",
		name)
}

// Ownership is S3's setting of who owns an object.
type Ownership string

// The settings of Object Ownership.
const (
	Enforced  Ownership = "enforced"  // the bucket's owner owns all; ACLs are off
	Preferred Ownership = "preferred" // the bucket's owner owns what comes with the ACL
	Writer    Ownership = "writer"    // who uploads owns it; the ACL lets the bucket's owner in
)

// ParseOwnership finds a setting by its name.
func ParseOwnership(name string) (Ownership, error) {
	switch o := Ownership(name); o {
	case Enforced, Preferred, Writer:
		return o, nil
	}
	return "", fmt.Errorf("no ownership is called %q; there are enforced, preferred and writer",
		name)
}

// ownerACL is the canned ACL that every upload of ours carries.
const ownerACL = s3backend.OwnerACL

// The actions that the exchange is made of, as policies name them.
const (
	ListBucket     = "s3:ListBucket"
	BucketLocation = "s3:GetBucketLocation"
	GetObject      = "s3:GetObject"
	PutObject      = "s3:PutObject"
	PutObjectACL   = "s3:PutObjectAcl"
	DeleteObject   = "s3:DeleteObject"
	AbortUpload    = "s3:AbortMultipartUpload"
	ListParts      = "s3:ListMultipartUploadParts"
	ListVersions   = "s3:ListBucketVersions"
	GetVersion     = "s3:GetObjectVersion"
)

// uploading are the actions of an upload. AWS lets who began an upload abort it
// and list its parts, unless a statement says otherwise; other servers ask for both.
var uploading = Strings{PutObject, AbortUpload, ListParts}

// Terms are what an owner offers one client in one bucket.
type Terms struct {
	Bucket    string
	Client    string // how a policy names it: see Principal...
	Shared    string // the folder that the owner fills: Submissions
	Delivered string // the folder that the client fills: Delivery
	Grant     Grant
	Ownership Ownership
	Until     time.Time // when the client's access ends; the zero time if it does not
	// the client may list the versions that the bucket keeps, and get those of what it may get
	Versions bool

	// Elsewhere is for a server that is not AWS. What those make of conditions
	// differs, so none is written but the one that Ownership asks for: behind a
	// proxy a server may take each request for one without TLS, and lock out all.
	Elsewhere bool
}

// sidPrefix begins the Sid of each statement of ours.
const sidPrefix = "S3share"

// The rest of a Sid of ours. All but sidTLSOnly are followed by the client's mark.
const (
	sidTLSOnly = "TLSOnly"
	sidList    = "Lists"
	sidGet     = "Gets"
	sidDeliver = "Delivers"
	sidACL     = "GrantsOwner"
	sidDelete  = "Deletes"
	sidNeedACL = "MustGrantOwner"
	sidMissing = "Needs"

	sidListVersions = "ListsVersions"
	sidGetVersions  = "GetsVersions"
)

// Ours reports whether the statement bears a Sid of ours.
func (s Statement) ours() bool { return strings.HasPrefix(s.Sid, sidPrefix) }

// owns reports whether a Sid is of terms with this client, whatever they were.
func (t Terms) owns(sid string) bool {
	for _, what := range []string{sidList, sidGet, sidDeliver, sidACL, sidDelete,
		sidNeedACL, sidListVersions, sidGetVersions} {
		if sid == t.sid(what) {
			return true
		}
	}
	return false
}

func (t Terms) sid(what string) string { return sidPrefix + what + mark(t.Client) }

// mark distinguishes clients in Sids, which have letters and digits only: the
// account's id, and eight digits more where the principal is not all of it.
func mark(principal string) string {
	account := principalAccount(principal)
	if principal == account || strings.HasSuffix(principal, ":iam::"+account+":root") {
		return account
	}
	sum := sha256.Sum256([]byte(principal))
	return account + hex.EncodeToString(sum[:4])
}

// principalAccount is the account id in the name of a principal, "" if it has
// none.
func principalAccount(principal string) string {
	if isAccountID(principal) {
		return principal
	}
	if f := strings.SplitN(principal, ":", 6); len(f) == 6 && f[0] == "arn" && isAccountID(f[4]) {
		return f[4]
	}
	return ""
}

// allStatements are the terms as statements, each with a Sid of ours. Their order,
// and that of the lists in them, is always the same.
func (t Terms) allStatements() []Statement {
	return t.statements(t.reach())
}

// reach are the objects that the grant lets the client get, put and delete. Who puts
// needs get as well: without it AWS refuses to replace a version by its ETag.
func (t Terms) reach() (gets, puts, deletes Strings) {
	both := t.objects(t.Shared, t.Delivered)
	switch t.Grant {
	case Dropbox:
		return nil, t.objects(t.Delivered), nil
	case Folders:
		return both, t.objects(t.Delivered), nil
	case Full:
		return both, both, both
	}
	return both, both, nil
}

// statements are the terms where the client may get, put and delete these objects.
func (t Terms) statements(gets, puts, deletes Strings) []Statement {
	var all []Statement
	allow := func(sid string, on Strings, condition Condition, actions ...string) {
		if len(on) == 0 {
			return
		}
		all = append(all, Statement{Sid: t.sid(sid), Effect: Allow, Principal: AWS(t.Client),
			Action: actions, Resource: on, Condition: condition.endingAt(t.Until)})
	}
	allow(sidList, Strings{bucketARN(t.Client, t.Bucket)}, nil, ListBucket, BucketLocation)
	allow(sidGet, gets, nil, GetObject)
	if t.Elsewhere {
		allow(sidDeliver, puts, nil, append(slices.Clone(uploading), PutObjectACL)...)
	} else {
		allow(sidDeliver, puts, nil, uploading...)
		// AWS asks for PutObjectAcl where an upload carries an ACL. By itself it
		// would let the client give the objects to others.
		allow(sidACL, puts, Condition{"StringEquals": {"s3:x-amz-acl": {ownerACL}}}, PutObjectACL)
	}
	allow(sidDelete, deletes, nil, DeleteObject)
	if t.Versions && len(gets) > 0 {
		allow(sidListVersions, Strings{bucketARN(t.Client, t.Bucket)}, nil, ListVersions)
		allow(sidGetVersions, gets, nil, GetVersion)
	}
	if t.Ownership == Writer || t.Ownership == Preferred {
		all = append(all, t.mustGrantOwner())
	}
	if !t.Elsewhere {
		all = append(all, Statement{
			Sid: sidPrefix + sidTLSOnly, Effect: Deny, Principal: &Principal{Any: true},
			Action:    Strings{"s3:*"},
			Resource:  append(Strings{bucketARN(t.Client, t.Bucket)}, t.objects("")...),
			Condition: Condition{"Bool": {"aws:SecureTransport": {"false"}}},
		})
	}
	return all
}

// withoutACL is the policy for a server that refuses one with s3:PutObjectAcl: our statements
// do not grant it. Their order stays.
func (d Document) withoutACL() Document {
	d.Statement = slices.Clone(d.Statement)
	for i, s := range d.Statement {
		if s.ours() && s.Effect == Allow && slices.Contains(s.Action, PutObjectACL) {
			s.raw = nil
			s.Action = slices.DeleteFunc(slices.Clone(s.Action),
				func(a string) bool { return a == PutObjectACL })
			d.Statement[i] = s
		}
	}
	return d
}

// mustGrantOwner keeps out uploads that carry another ACL, by which the owner could not
// read them. It does not judge requests without any: parts and the completion of an
// upload carry none, and nothing in a policy distinguishes their requests from those of a
// PutObject without one, which doctor and repair find.
func (t Terms) mustGrantOwner() Statement {
	s := t.formerMustGrantOwner()
	s.Condition["Null"] = map[string]Strings{"s3:x-amz-acl": {"false"}}
	return s
}

// formerMustGrantOwner is the statement that earlier versions wrote. It also applies to requests
// without an ACL, so AWS refuses the parts of every upload under it.
func (t Terms) formerMustGrantOwner() Statement {
	return Statement{
		Sid: t.sid(sidNeedACL), Effect: Deny, Principal: AWS(t.Client), Action: Strings{PutObject},
		Resource:  t.objects(""),
		Condition: Condition{"StringNotEquals": {"s3:x-amz-acl": {ownerACL}}},
	}
}

// objects are the resources of folders; "" is the whole bucket.
func (t Terms) objects(folders ...string) Strings {
	return objects(bucketARN(t.Client, t.Bucket), folders)
}

func objects(bucketARN string, folders []string) Strings {
	if s3backend.IsAccessPoint(bucketARN) {
		bucketARN += "/object"
	}
	var all Strings
	for _, f := range folders {
		if f = strings.Trim(f, "/"); f != "" {
			f = literal(f) + "/"
		}
		all = append(all, bucketARN+"/"+f+"*")
	}
	return all
}

// literal writes a folder's name so that it stands for itself: *, ? and $ mean
// more in a resource. Source: IAM User Guide, "Policy variables".
var literal = strings.NewReplacer("*", "${*}", "?", "${?}", "$", "${$}").Replace

// bucketARN is the bucket's name in a policy. The partition (aws, aws-cn and so on) is
// that of the principal. An access point has its own ARN.
func bucketARN(principal, bucket string) string {
	if s3backend.IsAccessPoint(bucket) {
		return bucket
	}
	return "arn:" + cmp.Or(partitionOfARN(principal), "aws") + ":s3:::" + bucket
}

// missingStatement is the one statement that lets principal do all the actions, in the
// folders where they are about objects and on the bucket where they are about
// that: what a client sends to the owner. No folder means all of the bucket.
func missingStatement(bucket, principal string, actions, folders []string) Statement {
	actions = slices.Compact(slices.Sorted(slices.Values(actions)))
	arn := bucketARN(principal, bucket)
	var on Strings
	if slices.ContainsFunc(actions, onBucket) {
		on = append(on, arn)
	}
	if slices.ContainsFunc(actions, func(a string) bool { return !onBucket(a) }) {
		if len(folders) == 0 {
			folders = []string{""}
		}
		on = append(on, objects(arn, folders)...)
	}
	s := Statement{Effect: Allow, Principal: AWS(principal), Action: actions, Resource: on}
	sum := sha256.Sum256([]byte(s.String())) // Sids of a policy have to differ
	s.Sid = sidPrefix + sidMissing + mark(principal) + hex.EncodeToString(sum[:3])
	return s
}

// onBucket reports whether an action is on the bucket, and not on objects.
func onBucket(action string) bool {
	switch action {
	case ListBucket, BucketLocation, "s3:ListBucketMultipartUploads", "s3:ListBucketVersions":
		return true
	}
	return strings.HasPrefix(action, "s3:GetBucket") || strings.HasPrefix(action, "s3:PutBucket")
}
