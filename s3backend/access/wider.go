package access

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A policy is compared with the one before: what an Allow allows has to be allowed by one
// before, and what a Deny before refuses has to be refused. That is judged by the text of
// statements, not by trying requests out, so what is not seen to be as narrow counts as
// wider.

// wider are what somebody could do under the policy after, and not under that before, in
// words. A client that no Allow reached before is new: it is meant to do what the terms
// grant. owner is the account of the bucket, "" where it is not known.
func (d Document) wider(after Document, t Terms, owner string) (all []string) {
	isNew := !d.letsIn(t)
	for _, s := range after.Statement {
		if s.Effect != Allow ||
			slices.ContainsFunc(d.Statement, s.sameEffect) || isNew && t.grants(s) {
			continue
		}
		if longer := d.prolonged(s); longer != "" {
			if !slices.Contains(all, longer) {
				all = append(all, longer)
			}
			continue
		}
		all = append(all, d.more(s, owner)...)
	}
	for i, s := range d.Statement {
		if s.Effect == Deny && !after.refuses(s) {
			all = append(all, "less is refused than by the statement "+d.name(i)+" now")
		}
	}
	return all
}

// grants reports whether the statement is an Allow of the terms.
func (t Terms) grants(s Statement) bool { return slices.ContainsFunc(t.allStatements(), s.Equal) }

// more are what an Allow lets its principals do, in words, and the policy does not.
func (d Document) more(s Statement, owner string) (all []string) {
	who := s.Principal.words()
	if s.Principal == nil || len(s.Action) == 0 || len(s.Resource) == 0 {
		return []string{who + " may do everything but some exceptions"}
	}
	for _, resource := range s.Resource {
		var actions, freed []string
		because := ""
		for _, action := range s.Action {
			one := s
			one.Action, one.Resource = Strings{action}, Strings{resource}
			covered, narrowed := d.covers(one, owner)
			switch {
			case covered:
			case narrowed != "":
				freed, because = append(freed, action), narrowed
			default:
				actions = append(actions, action)
			}
		}
		if len(actions) > 0 {
			all = append(all,
				fmt.Sprintf("%s may %s on %s", who, strings.Join(actions, ", "), resource))
		}
		if len(freed) > 0 {
			all = append(all,
				fmt.Sprintf(
					"%s may %s on %s, also where the condition of the statement %s does not hold",
					who, strings.Join(freed, ", "), resource, because))
		}
	}
	return all
}

// covers reports whether one Allow of the policy allows all of what s, which has one
// action and one resource, allows. narrowed is one that does so on another condition.
func (d Document) covers(s Statement, owner string) (covered bool, narrowed string) {
	for i, o := range d.Statement {
		if o.Effect != Allow || !o.includesAll(s, owner) {
			continue
		}
		if o.Condition.within(s.Condition) {
			return true, ""
		}
		narrowed = d.name(i)
	}
	return false, narrowed
}

// refuses reports whether one Deny of the policy refuses all of what s refuses.
func (d Document) refuses(s Statement) bool {
	return slices.ContainsFunc(d.Statement, func(o Statement) bool {
		return o.Effect == Deny &&
			(o.sameEffect(s) || o.includesAll(s, unknownOwner) && o.Condition.within(s.Condition))
	})
}

// includesAll reports whether the statement is about all principals, actions and resources
// that s is about, as far as their texts show.
func (o Statement) includesAll(s Statement, owner string) bool {
	if o.Principal == nil || s.Principal == nil || len(o.Action) == 0 || len(o.Resource) == 0 ||
		len(s.Action) == 0 || len(s.Resource) == 0 {
		return false
	}
	return o.Principal.includesAll(s.Principal, owner) && includeAll(o.Action, s.Action, true) &&
		includeAll(o.Resource, s.Resource, false)
}

// unknownOwner is for policies of which the bucket's owner is not known.
const unknownOwner = ""

// includesAll reports whether the principal means all whom another one means. An account
// means its users and roles, but not in the owner's own account: there a policy that names
// the account leaves it to IAM what they may do, and one that names a role does not.
// Source: IAM User Guide, "Policy evaluation for requests within a single account".
func (p *Principal) includesAll(o *Principal, owner string) bool {
	if p.everyone() {
		return true
	}
	if o.everyone() {
		return false
	}
	for kind, names := range o.By {
		for _, name := range names {
			account := principalAccount(name)
			if !slices.ContainsFunc(p.By[kind], func(n string) bool {
				return accountOf(n) == accountOf(name) ||
					kind == "AWS" && owner != unknownOwner &&
						account != "" && account != owner && accountOf(n) == account
			}) {
				return false
			}
		}
	}
	return true
}

// includeAll reports whether each of some patterns means no more than one of others.
func includeAll(wide, narrow Strings, fold bool) bool {
	return all(narrow, func(n string) bool {
		return slices.ContainsFunc(wide, func(w string) bool { return includesPattern(w, n, fold) })
	})
}

// includesPattern reports whether a pattern means all that another one means. A * stands
// for any text, and so for another pattern's * too; what stands for one letter, or for a
// variable, is only compared.
func includesPattern(wide, narrow string, fold bool) bool {
	if wide == narrow || fold && strings.EqualFold(wide, narrow) {
		return true
	}
	return !strings.ContainsAny(wide, "?$") && matchesPattern(wide, narrow, fold)
}

// within reports whether the condition asks for no more than another one.
func (c Condition) within(o Condition) bool {
	for operator, keys := range c {
		of := map[string]Strings{}
		for key, values := range o[operator] {
			of[strings.ToLower(key)] = values
		}
		for key, values := range keys {
			if has, found := of[strings.ToLower(key)]; !found ||
				!values.equal(has) && !endsNoLater(operator, has, values) {
				return false
			}
		}
	}
	return true
}

// form is how the policy lets a client in.
type form struct {
	grant    Grant     // "" if it does not, or not as s3share writes it
	versions bool      // it may list and get versions
	until    time.Time // when all of that ends, the zero time if it does not
	// ours: the statements, if there are any, are as s3share writes them, or once wrote them.
	ours bool
}

// formOf finds out how the policy lets the client of the terms in by statements of ours.
func (d *Document) formOf(t Terms) form {
	if d == nil {
		return form{ours: true}
	}
	have := t.allowsOf(d.Statement)
	if len(have) == 0 {
		return form{ours: true}
	}
	until, have, common := commonEnd(have)
	if !common {
		return form{}
	}
	t.Until, t.Versions = time.Time{}, false
	for _, g := range Grants() {
		t.Grant = g
		forms := [][]Statement{t.allStatements()}
		if g == Folders { // it had no get in the delivery folder once
			forms = append(forms, t.statements(t.objects(t.Shared), t.objects(t.Delivered), nil))
		}
		for _, f := range forms {
			if slices.EqualFunc(have, t.allowsOf(f), Statement.Equal) {
				return form{grant: g, until: until, ours: true}
			}
		}
		with := t
		with.Versions = true
		if slices.EqualFunc(have, with.allowsOf(with.allStatements()), Statement.Equal) {
			return form{grant: g, versions: true, until: until, ours: true}
		}
	}
	return form{until: until}
}

// allowsOf are the Allows of ours for the client, sorted by Sid.
func (t Terms) allowsOf(statements []Statement) (all []Statement) {
	for _, s := range statements {
		if s.Effect == Allow && t.owns(s.Sid) {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b Statement) int { return strings.Compare(a.Sid, b.Sid) })
	return all
}

// letsIn reports whether the policy may allow the client of the terms something: by a statement
// of ours for it, or by any Allow that may reach it under another name, such as its account, a
// role of it, or everybody. It is false only if that can be ruled out.
func (d Document) letsIn(t Terms) bool {
	return slices.ContainsFunc(d.Statement, func(s Statement) bool {
		return s.Effect == Allow && (t.owns(s.Sid) || s.mayReach(t))
	})
}

// mayReach reports whether the statement may be about the client, or somebody of it.
func (s Statement) mayReach(t Terms) bool {
	if !t.Elsewhere && s.Condition.holds(request{context: identity(t.Client)}) == No {
		return false
	}
	if s.Principal == nil || s.Principal.Any {
		return true
	}
	for kind, names := range s.Principal.By {
		switch kind {
		case "AWS":
			if slices.ContainsFunc(names, func(n string) bool { return mayBe(n, t.Client) }) {
				return true
			}
		case "Service":
		default: // whose canonical or federated user that is cannot be read off
			return true
		}
	}
	return false
}

// identity are the condition keys that are known of each request of a client.
func identity(client string) map[string]string {
	account := principalAccount(client)
	if account == "" {
		return nil
	}
	known := map[string]string{"aws:principalaccount": account}
	if f := strings.SplitN(client, ":", 6); len(f) == 6 && f[2] == "iam" && f[5] != "root" {
		known["aws:principalarn"] = client
	}
	return known
}
