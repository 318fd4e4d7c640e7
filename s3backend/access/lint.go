package access

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Level is how bad a finding is.
type Level string

// The levels, the worst first.
const (
	Wrong Level = "wrong"   // S3 would refuse the policy
	Wide  Level = "wide"    // it lets in more than an exchange needs
	Lacks Level = "missing" // s3share cannot do its work
	Note  Level = "note"    // worth knowing
)

// Remark is one thing about a policy.
type Remark struct {
	Level     Level  `json:"level"`
	Statement string `json:"statement,omitempty"` // its Sid, or number
	Text      string `json:"text"`
}

// Rights are what a party may do in a folder.
type Rights struct {
	Folder                 string
	List, Get, Put, Delete Answer
}

// Words are the rights as a list: "list, get". perhaps is how one is written that may
// or may not be there, with %s for it.
func (r Rights) Words(perhaps string) string {
	var words []string
	for _, right := range []struct {
		word   string
		answer Answer
	}{{"list", r.List}, {"get", r.Get}, {"put", r.Put}, {"delete", r.Delete}} {
		switch right.answer {
		case Yes:
			words = append(words, right.word)
		case Maybe:
			words = append(words, fmt.Sprintf(perhaps, right.word))
		}
	}
	if words == nil {
		return "nothing"
	}
	return strings.Join(words, ", ")
}

// OnCondition is how rights are written that depend on what only S3 can judge.
const OnCondition = "%s on a condition"

// Lint is a policy that is looked at, and for which exchange.
type Lint struct {
	Document
	Bucket  string
	Folders []string // the owner's, then the client's
	// Ownership is the bucket's, "" where it is not known.
	Ownership Ownership
	// Elsewhere is for a server that is not AWS: see Terms.
	Elsewhere bool
	// Client is the one whom the policy has to let in, whether it names it or not; "" is
	// for all those whom it names.
	Client string
}

// LintTerms looks at a policy for the exchange of these terms.
func LintTerms(d Document, t Terms) Lint {
	return Lint{Document: d, Bucket: t.Bucket, Folders: []string{t.Shared, t.Delivered},
		Ownership: t.Ownership, Elsewhere: t.Elsewhere}
}

// BucketOf is the bucket that the first of the policy's resources is about, ""
// where none is.
func BucketOf(d Document) string {
	for _, s := range d.Statement {
		for _, r := range append(slices.Clone(s.Resource), s.NotResource...) {
			if f := strings.SplitN(r, ":", 6); len(f) == 6 && f[2] == "s3" {
				bucket, _, _ := strings.Cut(f[5], "/")
				if bucket != "" && !strings.ContainsAny(bucket, "*?$") {
					return bucket
				}
			}
		}
	}
	return ""
}

// Clients are the accounts, users and roles that the policy lets in, sorted.
func (d Document) Clients() []string {
	var all []string
	for _, s := range d.Statement {
		if s.Effect != Allow || s.Principal == nil {
			continue
		}
		for _, name := range s.Principal.By["AWS"] {
			if name != "*" && !deleted.MatchString(name) {
				all = append(all, accountIn(cmp.Or(d.partition(), "aws"), name))
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// arn is the bucket's name in the policy, whose partition is that of its other
// resources, or else the client's.
func (l Lint) arn(client string) string {
	return "arn:" + cmp.Or(l.partition(), partitionOfARN(client), "aws") + ":s3:::" + l.Bucket
}

// somewhere is a name that no pattern means in particular.
const somewhere = "s3share-some-name"

// ask asks the policy about an action of the client on a key, or on the bucket
// where key is "".
func (l Lint) ask(client, action, key string, context map[string]string) (Answer, []string) {
	return l.allows(l.request(client, action, key, context))
}

func (l Lint) request(client, action, key string, context map[string]string) request {
	r := request{client, action, l.arn(client), map[string]string{
		"aws:securetransport":  "true",
		"aws:principalaccount": principalAccount(client),
		"aws:currenttime":      policyTime(time.Now().UTC()),
	}}
	if key != "" {
		r.resource += "/" + key
	}
	for k, v := range context {
		r.context[k] = v
	}
	return r
}

var (
	// An upload of ours carries the ACL and asks for no encryption; parts of one
	// fall under what it was begun with.
	uploadContext = map[string]string{
		"s3:x-amz-acl": ownerACL, "s3:x-amz-server-side-encryption": "",
		"s3:x-amz-server-side-encryption-aws-kms-key-id": "",
		"s3:x-amz-storage-class":                         "", "s3:x-amz-grant-full-control": "",
		"s3:x-amz-grant-read": "", "s3:x-amz-tagging": "",
	}
	// A part of an upload, and its completion, cannot carry the ACL.
	partContext = func() map[string]string {
		c := maps.Clone(uploadContext)
		c["s3:x-amz-acl"] = ""
		return c
	}()
	listContext = func(folder string) map[string]string {
		return map[string]string{"s3:prefix": folder + "/", "s3:delimiter": "/"}
	}
)

// Rights returns what a client may do in a folder.
func (l Lint) Rights(client, folder string) Rights {
	r := Rights{Folder: folder}
	key := folder + "/" + somewhere
	r.List, _ = l.ask(client, ListBucket, "", listContext(folder))
	r.Get, _ = l.ask(client, GetObject, key, nil)
	r.Put, _ = l.ask(client, PutObject, key, uploadContext)
	if acl, _ := l.ask(client, PutObjectACL, key, uploadContext); !l.Elsewhere {
		r.Put = min(r.Put, acl)
	}
	r.Delete, _ = l.ask(client, DeleteObject, key, nil)
	return r
}

// Remarks are what is wrong with the policy, too wide, missing for s3share, or
// worth knowing: the worst first. One that is larger than S3 takes is not judged further.
func (l Lint) Remarks() []Remark {
	if size := len(l.Bytes()); size > maxPolicyBytes {
		return []Remark{{Wrong,
			"", fmt.Sprintf("it has %d bytes, more than the 20 KiB that S3 takes", size)}}
	}
	var all []Remark
	for i := range l.Statement {
		all = append(all, l.checkForm(i)...)
	}
	all = append(all, l.checkWhole()...)
	for i, s := range l.Statement {
		if s.Effect == Allow {
			all = append(all, l.checkWidth(i)...)
		}
	}
	all = append(all, l.checkClients()...)
	all = append(all, l.checkEnds()...)
	all = append(all, l.checkOwner()...)
	order := []Level{Wrong, Wide, Lacks, Note}
	slices.SortStableFunc(all, func(a, b Remark) int {
		return slices.Index(order, a.Level) - slices.Index(order, b.Level)
	})
	return all
}

// deleted is how S3 shows a principal that is no more, and takes in no new policy.
// Source: IAM User Guide, "IAM identifiers", unique identifiers.
var deleted = regexp.MustCompile(`^A[A-Z0-9]{3}[A-Z0-9]{16,}$`)

// checkForm finds what S3 would refuse a statement for.
func (l Lint) checkForm(i int) (all []Remark) {
	s := l.Statement[i]
	wrong := func(text string) { all = append(all, Remark{Wrong, l.name(i), text}) }
	if s.Effect != Allow && s.Effect != Deny {
		wrong(fmt.Sprintf("the effect is %q, and has to be Allow or Deny", s.Effect))
	}
	if (s.Principal == nil) == (s.NotPrincipal == nil) {
		wrong("it needs a Principal")
	}
	for _, p := range []*Principal{s.Principal, s.NotPrincipal} {
		if p != nil && !p.Any && len(slices.Concat(slices.Collect(maps.Values(p.By))...)) == 0 {
			wrong("its Principal names nobody")
		}
	}
	if (len(s.Action) == 0) == (len(s.NotAction) == 0) {
		wrong("it needs an Action")
	}
	if (len(s.Resource) == 0) == (len(s.NotResource) == 0) {
		wrong("it needs a Resource")
	}
	l.checkNames(s.Principal, wrong)
	l.checkNames(s.NotPrincipal, wrong)
	l.checkFit(s, wrong)
	if l.policyVersion() == oldPolicyVersion && s.hasVariables() {
		wrong("policy variables (${...}) work only in policies of Version " + policyVersion)
	}
	for _, odd := range s.oddities() {
		wrong(odd)
	}
	for j := range i {
		if s.Sid != "" && l.Statement[j].Sid == s.Sid {
			wrong("another statement has the same Sid")
		}
	}
	return all
}

// checkWhole finds what is about no one statement.
func (l Lint) checkWhole() (all []Remark) {
	if len(l.Statement) == 0 {
		all = append(all, Remark{Wrong, "", "it has no statement"})
	}
	for _, odd := range oddMembers(l.members, policyMembers) {
		all = append(all, Remark{Wrong, "", odd})
	}
	if v := l.policyVersion(); v != policyVersion && v != oldPolicyVersion {
		all = append(all, Remark{Wrong, "",
			fmt.Sprintf("the Version %q does not exist: write %s", v, policyVersion)})
	}
	if l.Elsewhere || len(l.Statement) == 0 {
		return all
	}
	if !l.refusesPlain() {
		all = append(all,
			Remark{Wide, "",
				"not all requests without TLS are refused (a Deny of s3:* where aws:SecureTransport is false)"})
	}
	return all
}

// refusesPlain reports whether each request that an exchange needs is refused without TLS, in
// the folders and outside of them.
func (l Lint) refusesPlain() bool {
	objects := []string{l.arn("") + "/" + somewhere}
	for _, f := range l.Folders {
		objects = append(objects, l.arn("")+"/"+f+"/"+somewhere)
	}
	refused := func(actions Strings, resource string) bool {
		return all(actions, func(action string) bool {
			plain := request{"*", action,
				resource, map[string]string{"aws:securetransport": "false"}}
			return slices.ContainsFunc(l.Statement, func(s Statement) bool {
				return s.Effect == Deny && s.Principal.everyone() && s.names(action) &&
					s.reaches(resource) && s.Condition.holds(plain) == Yes
			})
		})
	}
	return refused(neededOnBucket, l.arn("")) &&
		all(objects, func(object string) bool { return refused(neededOnObjects, object) })
}

// Review is what a policy lets its clients do, and the findings, for scripts.
type Review struct {
	Bucket  string         `json:"bucket"`
	Clients []ClientRights `json:"clients"`
	Remarks []Remark       `json:"findings"`
}

// ClientRights are one client's, by folder, each a list: "list, get".
type ClientRights struct {
	Client string            `json:"client"`
	May    map[string]string `json:"may"`
}

// Review returns the rights of the clients that are named.
func (l Lint) Review(clients []string) Review {
	r := Review{Bucket: l.Bucket, Clients: []ClientRights{},
		Remarks: append([]Remark{}, l.Remarks()...)}
	for _, c := range clients {
		may := map[string]string{}
		for _, f := range l.Folders {
			may[f+"/"] = l.Rights(c, f).Words(OnCondition)
		}
		r.Clients = append(r.Clients, ClientRights{c, may})
	}
	return r
}
