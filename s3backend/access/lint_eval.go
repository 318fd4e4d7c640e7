package access

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Answer is whether something is granted, as far as the policy shows.
type Answer int

// The answers.
const (
	No    Answer = iota
	Maybe        // under a condition that only S3 can judge
	Yes
)

// request is one that a policy is asked about.
type request struct {
	principal string
	action    string
	resource  string
	context   map[string]string // condition keys in lower case; "" for one that is absent
}

// allows reports whether the policy lets a request through. because are the Sids of
// what refuses it, or makes it depend.
func (d Document) allows(r request) (answer Answer, because []string) {
	for i, s := range d.Statement {
		if s.Effect != Allow {
			continue
		}
		got := s.matches(r)
		if got == Maybe {
			because = append(because, d.name(i))
		}
		answer = max(answer, got)
	}
	if answer == Yes {
		because = nil
	}
	for i, s := range d.Statement {
		if s.Effect != Deny || answer == No {
			continue
		}
		switch s.matches(r) {
		case Yes:
			return No, []string{d.name(i)}
		case Maybe:
			answer, because = Maybe, append(because, d.name(i))
		}
	}
	return answer, because
}

// name is how a statement is spoken of.
func (d Document) name(i int) string {
	if sid := d.Statement[i].Sid; sid != "" {
		return strconv.Quote(sid)
	}
	return "number " + strconv.Itoa(i+1)
}

// matches reports whether the statement is about the request.
func (s Statement) matches(r request) Answer {
	if !s.about(r.principal) || !s.names(r.action) || !s.reaches(r.resource) {
		return No
	}
	return s.Condition.holds(r)
}

func (s Statement) about(principal string) bool {
	if s.NotPrincipal != nil {
		return !s.NotPrincipal.includes(principal)
	}
	return s.Principal.includes(principal)
}

// includes reports whether a principal is meant. An account means all of its users.
func (p *Principal) includes(principal string) bool {
	if p == nil {
		return false
	}
	if p.everyone() {
		return true
	}
	account := principalAccount(principal)
	return slices.ContainsFunc(p.By["AWS"], func(name string) bool {
		return accountOf(name) == accountOf(principal) ||
			account != "" && accountOf(name) == account
	})
}

func (s Statement) names(action string) bool {
	if len(s.NotAction) > 0 {
		return !anyMatches(s.NotAction, action, true)
	}
	return anyMatches(s.Action, action, true)
}

func (s Statement) reaches(resource string) bool {
	if len(s.NotResource) > 0 {
		return !anyMatches(s.NotResource, resource, false)
	}
	return anyMatches(s.Resource, resource, false)
}

func anyMatches(patterns Strings, text string, fold bool) bool {
	return slices.ContainsFunc(patterns,
		func(p string) bool { return matchesPattern(p, text, fold) })
}

// wildcards makes a regular expression of a quoted pattern, in which * and ? stand
// for others, and ${*}, ${?} and ${$} for themselves.
var wildcards = strings.NewReplacer(
	`\$\{\*\}`, `\*`, `\$\{\?\}`, `\?`, `\$\{\$\}`, `\$`,
	`\*`, `.*`, `\?`, `.`)

// matchesPattern reports whether text is as pattern says.
func matchesPattern(pattern, text string, fold bool) bool {
	if fold {
		pattern, text = strings.ToLower(pattern), strings.ToLower(text)
	}
	if !strings.ContainsAny(pattern, "*?$") {
		return pattern == text
	}
	re, err := regexp.Compile(`(?s)\A` + wildcards.Replace(regexp.QuoteMeta(pattern)) + `\z`)
	return err == nil && re.MatchString(text)
}

// holds reports whether all of the conditions hold for the request.
func (c Condition) holds(r request) Answer {
	answer := Yes
	for operator, keys := range c {
		for key, values := range keys {
			answer = min(answer, holds(operator, strings.ToLower(key), values, r.context))
		}
	}
	return answer
}

// holds judges the operators that texts are compared with; all others, keys that the
// context does not have, and values with policy variables it leaves open.
func holds(operator, key string, values Strings, context map[string]string) Answer {
	have, known := context[key]
	variable := slices.ContainsFunc(values,
		func(v string) bool { return strings.Contains(v, "${") })
	if !known || variable || strings.Contains(operator, ":") { // ForAllValues:, ForAnyValue:
		return Maybe
	}
	operator, ifExists := strings.CutSuffix(operator, "IfExists")
	if operator == "Null" {
		return yes(slices.Contains(values, "true") == (have == ""))
	}
	if have == "" {
		return yes(ifExists || strings.Contains(operator, "Not"))
	}
	equal := func(fold, pattern bool) bool {
		return slices.ContainsFunc(values, func(v string) bool {
			if pattern {
				return matchesPattern(v, have, fold)
			}
			return v == have || fold && strings.EqualFold(v, have)
		})
	}
	switch operator {
	case "StringEquals":
		return yes(equal(false, false))
	case "StringNotEquals":
		return yes(!equal(false, false))
	case "StringEqualsIgnoreCase", "Bool":
		return yes(equal(true, false))
	case "StringNotEqualsIgnoreCase":
		return yes(!equal(true, false))
	case "StringLike":
		return yes(equal(false, true))
	case "StringNotLike":
		return yes(!equal(false, true))
	case "ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike":
		// In an ARN, * and ? match no colon, which is not evaluated here.
		if equal(false, true) && !equal(false, false) {
			return Maybe
		}
		return yes(equal(false, false) != strings.Contains(operator, "Not"))
	}
	return holdsAt(operator, values, have)
}

// holdsAt judges the operators that moments are compared with. What does not hold yet may hold
// later, and is left open.
func holdsAt(operator string, values Strings, have string) Answer {
	now, ok := parsePolicyTime(have)
	answer := Maybe
	for _, v := range values {
		t, known := parsePolicyTime(v)
		switch {
		case !ok || !known:
			return Maybe
		case operator == dateLessThan || operator == dateLessThan+"Equals":
			if now.Before(t) {
				return Yes
			}
			answer = No
		case (operator == "DateGreaterThan" || operator == "DateGreaterThanEquals") && now.After(t):
			return Yes
		}
	}
	return answer
}

func yes(b bool) Answer {
	if b {
		return Yes
	}
	return No
}
