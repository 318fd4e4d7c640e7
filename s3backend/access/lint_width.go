package access

import (
	"fmt"
	"slices"
	"strings"
)

// narrowing are condition keys that keep a statement for everybody from being
// public. Source: Amazon S3 User Guide, "The meaning of public".
var narrowing = []string{
	"aws:principalorgid", "aws:principalorgpaths", "aws:principalaccount", "aws:principalarn", "aws:userid",
	"aws:sourcearn", "aws:sourceaccount", "aws:sourceowner", "aws:sourceorgid", "aws:sourcevpc", "aws:sourcevpce", "aws:sourceip",
	"s3:dataaccesspointaccount", "s3:dataaccesspointarn", "s3:x-amz-server-side-encryption-aws-kms-key-id",
}

// aboutTheBucket are actions that a client of an exchange has no use for, by what
// they would let it do.
var aboutTheBucket = []struct{ action, means string }{
	{"s3:PutBucketPolicy", "change the policy itself"},
	{"s3:DeleteBucket", "delete the bucket"},
	{"s3:PutBucketAcl", "change the bucket's ACL"},
	{"s3:PutLifecycleConfiguration", "have objects deleted by a lifecycle rule"},
	{"s3:PutBucketVersioning", "stop the versioning"},
	{"s3:PutBucketOwnershipControls", "change who owns objects"},
	{"s3:DeleteObjectVersion", "delete old versions for good"},
}

// checkWidth finds what an Allow lets in that an exchange has no need of.
func (l Lint) checkWidth(i int) (all []Remark) {
	s := l.Statement[i]
	say := func(level Level, format string, args ...any) {
		all = append(all, Remark{level, l.name(i), fmt.Sprintf(format, args...)})
	}
	switch {
	case s.NotPrincipal != nil:
		say(Wide, "it allows everybody but a few (NotPrincipal)")
	case s.public():
		say(Wide, "it is public: it allows everybody")
	}
	if len(s.NotAction) > 0 {
		say(Wide, "it allows everything but a few actions (NotAction)")
	} else if slices.ContainsFunc(s.Action, func(a string) bool { return a == "*" || strings.EqualFold(a, "s3:*") }) {
		say(Wide, "it allows every action (%s): changing the policy and deleting the bucket too", strings.Join(s.Action, ", "))
	} else {
		for _, a := range aboutTheBucket {
			if s.names(a.action) && (s.Principal.Everyone() || len(s.Principal.awsNames()) > 0) {
				say(Wide, "it lets %s %s (%s)", s.Principal.words(), a.means, a.action)
			}
		}
	}
	if len(s.Principal.awsNames()) == 0 {
		return all
	}
	outside := l.arn("") + "/" + somewhere
	if (s.names(GetObject) || s.names(PutObject) || s.names(DeleteObject)) && s.reaches(outside) {
		say(Note, "it reaches beyond the folders %s", strings.Join(slashed(l.Folders), " and "))
	}
	if s.names(PutObjectACL) && !l.Elsewhere && l.Ownership != Enforced {
		got := s.Condition.holds(request{context: map[string]string{"s3:x-amz-acl": "public-read"}})
		if got != No {
			say(Note, "s3:PutObjectAcl without a condition on s3:x-amz-acl lets the client give objects to others, unless the bucket's ACLs are off")
		}
	}
	return all
}

// public tells whether a statement lets everybody in.
func (s Statement) public() bool {
	return s.Effect == Allow && (s.NotPrincipal != nil || s.Principal.Everyone()) && !s.Condition.narrows()
}

func (c Condition) narrows() bool {
	for operator, keys := range c {
		if strings.Contains(operator, "Not") || strings.Contains(operator, "Null") {
			continue
		}
		for key, values := range keys {
			if slices.Contains(narrowing, strings.ToLower(key)) && !slices.Contains(values, "*") {
				return true
			}
		}
	}
	return false
}

// awsNames are the accounts, users and roles, without "*".
func (p *Principal) awsNames() []string {
	if p == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(p.By["AWS"]), func(n string) bool { return n == "*" })
}

func (p *Principal) words() string {
	if p.Everyone() {
		return "everybody"
	}
	return strings.Join(p.awsNames(), ", ")
}

func slashed(folders []string) []string {
	out := make([]string, len(folders))
	for i, f := range folders {
		out[i] = f + "/"
	}
	return out
}

// checkClient finds what a client cannot do that s3share does.
func (l Lint) checkClient(client string) (all []Remark) {
	say := func(level Level, format string, args ...any) {
		all = append(all, Remark{level, "", fmt.Sprintf(format, args...)})
	}
	refused := func(because []string) string {
		if len(because) == 0 {
			return ""
		}
		return ", because of the statement " + strings.Join(because, ", ")
	}
	if l.mayNothing(client) {
		return nil // its statement is about something else
	}
	for _, folder := range l.Folders {
		if got, because := l.ask(client, ListBucket, "", listContext(folder)); got == No {
			say(Lacks, "%s may not list %s/ (s3:ListBucket)%s", client, folder, refused(because))
		}
	}
	shared, delivered := l.Folders[0], l.Folders[len(l.Folders)-1]
	if got, because := l.ask(client, GetObject, shared+"/"+somewhere, nil); got == No {
		say(Note, "%s may not read %s/ (s3:GetObject)%s", client, shared, refused(because))
	}
	key := delivered + "/" + somewhere
	put, because := l.ask(client, PutObject, key, uploadContext)
	if put == No {
		say(Lacks, "%s may not put into %s/ (s3:PutObject)%s", client, delivered, refused(because))
		return all
	}
	if got, because := l.ask(client, PutObjectACL, key, uploadContext); got == No && !l.Elsewhere {
		say(Lacks, "%s may not send the ACL with what it puts into %s/ (s3:PutObjectAcl)%s", client, delivered, refused(because))
	}
	if got, _ := l.ask(client, AbortUpload, key, nil); got == No {
		say(Note, "%s may not abort uploads (s3:AbortMultipartUpload): AWS allows that to who began one, other servers do not", client)
	}
	bare := map[string]string{"s3:x-amz-acl": ""}
	if got, _ := l.ask(client, PutObject, key, bare); got == Yes && l.Ownership != Enforced {
		say(Note, "other tools of %s may upload without the ACL, what the owner then cannot read, unless the bucket's ACLs are off", client)
	}
	return all
}

// mayNothing tells that a client may do nothing at all in the folders.
func (l Lint) mayNothing(client string) bool {
	for _, folder := range l.Folders {
		if r := l.Rights(client, folder); r.List+r.Get+r.Put+r.Delete > No {
			return false
		}
	}
	return true
}
