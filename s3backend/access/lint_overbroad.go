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
		say(Wide, "it allows every action (%s): changing the policy and deleting the bucket too",
			strings.Join(s.Action, ", "))
	default:
		who := s.Principal.words()
		for _, means := range j.dangerous {
			say(Wide, "it lets %s %s", who, means)
		}
		if len(j.unknown) > 0 {
			say(Wide, "what it allows is not known here: %s", strings.Join(j.unknown, ", "))
		}
		if len(j.reads) > 0 {
			say(Note, "an exchange does not need %s", strings.Join(j.reads, ", "))
		}
	}
	if len(j.foreign) > 0 {
		say(Wrong, "S3 has no action %s", strings.Join(j.foreign, ", "))
	}
	// Otherwise the remark is about the principal.
	if s.Principal.everyone() || len(s.Principal.awsNames()) > 0 {
		l.checkResources(s, j.onObjects, say)
	}
	l.checkACLs(s, say)
	return all
}

// checkACLs finds a statement that lets objects be given to others, or be put with an
// ACL by which the owner cannot do all with them. Where ACLs are off no ACL does either.
func (l Lint) checkACLs(s Statement, say func(Level, string, ...any)) {
	if !l.Elsewhere && l.Ownership == Enforced || !s.names(PutObjectACL) {
		return
	}
	if acl := s.Condition.givenACL(); acl != "" {
		say(Wide, "it lets the client give objects to others, by the ACL %s", acl)
		return
	}
	if acl := s.Condition.otherACL(); acl != "" {
		say(Wide, "it lets the client put objects with the ACL %s, which keeps the owner from them",
			acl)
		return
	}
	if l.Elsewhere || !s.Condition.leavesACLs() { // other servers take no condition here
		return
	}
	const open = "s3:PutObjectAcl without a condition that holds s3:x-amz-acl to one value lets the client give objects to others"
	if l.Ownership == Writer || l.Ownership == Preferred {
		say(Wide, open)
		return
	}
	say(Note, open+", unless the bucket's ACLs are off")
}

// givenACL is an ACL that gives an object to others, and that the condition names: a canned
// one, or a grant to everybody. "" is for none.
func (c Condition) givenACL() string {
	var found []string
	c.named(func(operator, key, value string) {
		if strings.HasPrefix(key, "s3:x-amz-grant-") && isGroup(value) {
			found = append(found, strings.TrimPrefix(key, "s3:")+": "+value)
		}
		for _, acl := range givingACLs {
			if key == "s3:x-amz-acl" &&
				matchesPattern(value, acl, strings.Contains(operator, "IgnoreCase")) {
				found = append(found, acl)
			}
		}
	})
	return least(found)
}

// otherACL is an ACL that the condition names and that is not the one of s3share, "" for none.
func (c Condition) otherACL() string {
	var found []string
	c.named(func(_, key, value string) {
		if key == "s3:x-amz-acl" && !strings.EqualFold(value, ownerACL) {
			found = append(found, value)
		}
	})
	return least(found)
}

// least is the first of texts by their order, "" of none.
func least(texts []string) string {
	if len(texts) == 0 {
		return ""
	}
	return slices.Min(texts)
}

// named calls f with each value that a condition asks for, and the key in lower case.
func (c Condition) named(f func(operator, key, value string)) {
	for operator, keys := range c {
		if strings.Contains(operator, "Not") || operator == "Null" {
			continue
		}
		for key, values := range keys {
			for _, v := range values {
				f(operator, strings.ToLower(key), v)
			}
		}
	}
}

// isGroup reports whether the grantee of a grant is, or may be, more than one account.
func isGroup(grantee string) bool {
	grantee = strings.ToLower(grantee)
	return strings.ContainsAny(grantee, "*?$") ||
		slices.ContainsFunc([]string{"uri=", "allusers", "authenticatedusers", "logdelivery"},
			func(g string) bool {
				return strings.Contains(grantee, g)
			})
}

// givingACLs are the canned ACLs that let others than the bucket's owner in.
// Source: Amazon S3 User Guide, "Access control list (ACL) overview".
var givingACLs = []string{"public-read-write", "public-read", "authenticated-read",
	"aws-exec-read", "log-delivery-write"}

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
	case p == nil || p.everyone():
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

// checkClients finds what clients cannot do that s3share does: the one that is asked about,
// or else those whom the policy names.
func (l Lint) checkClients() (all []Remark) {
	clients := l.Clients()
	if l.Client != "" {
		clients = []string{l.Client}
	}
	nobody := !slices.ContainsFunc(clients, func(c string) bool { return !l.mayNothing(c) })
	for _, client := range clients {
		switch {
		case !l.mayNothing(client):
			all = append(all, l.checkClient(client)...)
		case nobody || l.isRefused(client):
			all = append(all, Remark{Lacks, "",
				client + " may do nothing in the folders of the exchange" + l.refusedBy(client)})
		default: // its statement is about something else
			all = append(all,
				Remark{Note, "", client + " may do nothing in the folders of the exchange"})
		}
	}
	everybody := slices.ContainsFunc(l.Statement, func(s Statement) bool {
		return s.Effect == Allow && (s.NotPrincipal != nil || s.Principal.everyone())
	})
	if len(clients) == 0 && !everybody && len(l.Statement) > 0 {
		all = append(all, Remark{Lacks, "", "it lets no account, user or role in"})
	}
	return all
}

// checkClient finds what a client cannot do that s3share does.
func (l Lint) checkClient(client string) (all []Remark) {
	say := func(level Level, format string, args ...any) {
		all = append(all, Remark{level, "", fmt.Sprintf(format, args...)})
	}
	for _, folder := range l.Folders {
		if got, because := l.ask(client, ListBucket, "", listContext(folder)); got == No {
			say(Lacks, "%s may not list %s/ (s3:ListBucket)%s", client, folder, refusing(because))
		}
	}
	shared, delivered := l.Folders[0], l.Folders[len(l.Folders)-1]
	if got, because := l.ask(client, GetObject, shared+"/"+somewhere, nil); got == No {
		say(Note, "%s may not read %s/ (s3:GetObject)%s", client, shared, refusing(because))
	}
	key := delivered + "/" + somewhere
	put, because := l.ask(client, PutObject, key, uploadContext)
	if put == No {
		say(Lacks, "%s may not put into %s/ (s3:PutObject)%s", client, delivered, refusing(because))
		return all
	}
	if got, because := l.ask(client, PutObjectACL, key, uploadContext); got == No && !l.Elsewhere {
		say(Lacks, "%s may not send the ACL with what it puts into %s/ (s3:PutObjectAcl)%s", client,
			delivered, refusing(because))
	}
	if got, _ := l.ask(client, AbortUpload, key, nil); got == No {
		say(Note,
			"%s may not abort uploads (s3:AbortMultipartUpload): AWS allows that to whoever began one, and other servers do not", client)
	}
	part, because := l.ask(client, PutObject, key, partContext)
	if part == No {
		say(Lacks,
			"%s may not put parts of an upload into %s/, which carry no ACL and which every file above 16 MiB needs (s3:PutObject)%s", client, delivered, refusing(because))
	}
	if part == Yes && l.Ownership != Enforced {
		say(Note,
			"%s may upload without the ACL, by other tools, and the owner cannot read such files unless the bucket's ACLs are off", client)
	}
	return all
}

// usual are requests of an exchange, on which answers depend.
func (l Lint) usual(client string) (all []request) {
	for _, f := range l.Folders {
		for _, of := range []struct {
			action, key string
			context     map[string]string
		}{{ListBucket, "", listContext(f)}, {GetObject, f + "/" + somewhere, nil},
			{PutObject, f + "/" + somewhere, uploadContext}} {
			all = append(all, l.request(client, of.action, of.key, of.context))
		}
	}
	return all
}

// isRefused reports whether an Allow grants a client something that a Deny takes back.
func (l Lint) isRefused(client string) bool {
	allows := l.Document
	allows.Statement = slices.DeleteFunc(slices.Clone(l.Statement),
		func(s Statement) bool { return s.Effect != Allow })
	return slices.ContainsFunc(l.usual(client), func(r request) bool {
		granted, _ := allows.allows(r)
		return granted != No
	})
}

// refusedBy are the statements that refuse a client all, in words.
func (l Lint) refusedBy(client string) string {
	var names []string
	for _, r := range l.usual(client) {
		if answer, because := l.allows(r); answer == No {
			names = append(names, because...)
		}
	}
	slices.Sort(names)
	return refusing(slices.Compact(names))
}

// refusing names the statements that refuse something, for the end of a sentence; "" of none.
func refusing(statements []string) string {
	if len(statements) == 0 {
		return ""
	}
	return ", because of the statement " + strings.Join(statements, ", ")
}

// checkOwner finds a Deny that refuses the bucket's owner what s3share does for it: one that
// spares nobody, or nobody but clients.
func (l Lint) checkOwner() (all []Remark) {
	clients := map[string]bool{}
	for _, c := range append(l.Clients(), l.Client) {
		if account := principalAccount(c); account != "" {
			clients[account] = true
		}
	}
	const stranger = "000000000000"
	for i, s := range l.Statement {
		if s.Effect != Deny || slices.ContainsFunc(s.spared(),
			func(account string) bool { return !clients[account] }) {
			continue
		}
		for _, r := range l.usual("arn:aws:iam::" + stranger + ":role/owner") {
			r.context["aws:principalarn"] = r.principal
			if r.action != PutObject && s.matches(r) == Yes {
				all = append(all,
					Remark{Lacks, l.name(i),
						fmt.Sprintf(
							"it refuses %s to the bucket's owner too, because it exempts clients only", r.action)})
				break
			}
		}
	}
	return all
}

// spared are the accounts that a Deny makes an exception of.
func (s Statement) spared() (all []string) {
	names := slices.Clone(s.NotPrincipal.awsNames())
	for operator, keys := range s.Condition {
		for key, values := range keys {
			if strings.Contains(operator, "Not") &&
				strings.HasPrefix(strings.ToLower(key), "aws:principal") {
				names = append(names, values...)
			}
		}
	}
	for _, n := range names {
		all = append(all, principalAccount(n))
	}
	return all
}

// mayNothing reports whether a client may do nothing at all in the folders.
func (l Lint) mayNothing(client string) bool {
	for _, folder := range l.Folders {
		if r := l.Rights(client, folder); r.List+r.Get+r.Put+r.Delete > No {
			return false
		}
	}
	return true
}
