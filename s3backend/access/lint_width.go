package access

import (
	"fmt"
	"slices"
	"strings"
)

// checkWidth finds what an Allow lets in that an exchange has no need of.
func (l Lint) checkWidth(i int) (all []Remark) {
	s := l.Statement[i]
	say := func(level Level, format string, args ...any) {
		all = append(all, Remark{level, l.name(i), fmt.Sprintf(format, args...)})
	}
	l.checkPrincipal(s, say)
	j := s.judgeActions()
	switch {
	case len(s.NotAction) > 0:
		say(Wide, "it allows everything but a few actions (NotAction)")
		j.onObjects = true
	case j.every:
		say(Wide, "it allows every action (%s): changing the policy and deleting the bucket too", strings.Join(s.Action, ", "))
	default:
		who := s.Principal.words()
		for _, means := range j.dangerous {
			say(Wide, "it lets %s %s", who, means)
		}
		if len(j.unknown) > 0 {
			say(Wide, "what it allows is not known here: %s", strings.Join(j.unknown, ", "))
		}
		if len(j.reads) > 0 {
			say(Note, "an exchange has no need of %s", strings.Join(j.reads, ", "))
		}
	}
	if len(j.foreign) > 0 {
		say(Wrong, "S3 has no action %s", strings.Join(j.foreign, ", "))
	}
	if s.Principal.Everyone() || len(s.Principal.awsNames()) > 0 { // else it was told of the principal
		l.checkResources(s, j.onObjects, say)
	}
	l.checkACLs(s, say)
	return all
}

// checkACLs reports whether a statement lets objects be given to others.
func (l Lint) checkACLs(s Statement, say func(Level, string, ...any)) {
	if l.Elsewhere || l.Ownership == Enforced || !s.names(PutObjectACL) {
		return
	}
	for _, acl := range givingACLs {
		for operator, keys := range s.Condition {
			for key, values := range keys {
				if strings.EqualFold(key, "s3:x-amz-acl") && !strings.Contains(operator, "Not") && anyMatches(values, acl, false) {
					say(Wide, "it lets the client give objects to others, by the ACL %s", acl)
					return
				}
			}
		}
	}
	if s.Condition.leavesACLs() {
		say(Note, "s3:PutObjectAcl without a condition that holds s3:x-amz-acl to one value lets the client give objects to others, unless the bucket's ACLs are off")
	}
}

// givingACLs are the canned ACLs that let others than the bucket's owner in.
// Source: Amazon S3 User Guide, "Access control list (ACL) overview".
var givingACLs = []string{"public-read-write", "public-read", "authenticated-read", "aws-exec-read", "log-delivery-write"}

// leavesACLs reports whether a request may hold that gives an object to others: by a canned
// ACL, or by a grant, with which a request can have no canned ACL.
func (c Condition) leavesACLs() bool {
	for _, acl := range givingACLs {
		if c.holds(request{context: map[string]string{"s3:x-amz-acl": acl}}) != No {
			return true
		}
	}
	return c.holds(request{context: map[string]string{"s3:x-amz-acl": ""}}) != No
}

// awsNames are the accounts, users and roles, without "*".
func (p *Principal) awsNames() []string {
	if p == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(p.By["AWS"]), func(n string) bool { return n == "*" })
}

func (p *Principal) words() string {
	switch {
	case p == nil || p.Everyone():
		return "everybody"
	case len(p.awsNames()) == 0:
		return "its principal"
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
