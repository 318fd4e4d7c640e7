package iam

import (
	"regexp"
	"slices"
	"strings"
)

// Request is what a policy is asked about.
type Request struct {
	Principal string // the caller's ARN, "" for an anonymous one
	Account   string // the caller's account
	Action    string // "s3:GetObject"
	Resource  string // an ARN

	// Context are the values of the condition keys that the request has, by the key in
	// lower case.
	Context map[string][]string
}

// Answer is what a policy makes of a request.
type Answer int

// The answers.
const (
	NoMatch Answer = iota // no statement is about it
	Allowed
	Denied
)

// Judge says what the policy makes of a request: a matching Deny goes before any
// Allow.
func (d Document) Judge(r Request) Answer {
	answer := NoMatch
	for _, s := range d.Statement {
		if !s.matches(r) {
			continue
		}
		if s.Effect == "Deny" {
			return Denied
		}
		answer = Allowed
	}
	return answer
}

func (s Statement) matches(r Request) bool {
	switch {
	case s.Principal != nil && !s.Principal.includes(r),
		s.NotPrincipal != nil && s.NotPrincipal.includes(r),
		len(s.Action) > 0 && !matchesAny(s.Action, r.Action, nil, true),
		len(s.NotAction) > 0 && matchesAny(s.NotAction, r.Action, nil, true),
		len(s.Resource) > 0 && !matchesAny(s.Resource, r.Resource, r.Context, false),
		len(s.NotResource) > 0 && matchesAny(s.NotResource, r.Resource, r.Context, false):
		return false
	}
	for operator, keys := range s.Condition {
		op, _ := operatorOf(operator)
		for key, values := range keys {
			if !op.holds(values, r.Context[strings.ToLower(key)], r.Context) {
				return false
			}
		}
	}
	return true
}

func matchesAny(patterns Strings, text string, context map[string][]string, fold bool) bool {
	return slices.ContainsFunc(patterns,
		func(p string) bool { return Like(p, text, context, fold) })
}

// variable is ${key}, or one of the characters that would mean more otherwise.
var variable = regexp.MustCompile(`\$\{([^}]*)\}`)

// Like reports whether text is as the pattern says, in which * stands for any
// characters and ? for one, and ${key} for a value of the request. A variable that
// the request does not have matches nothing.
func Like(pattern, text string, context map[string][]string, fold bool) bool {
	if fold {
		pattern, text = strings.ToLower(pattern), strings.ToLower(text)
	}
	var re strings.Builder
	re.WriteString(`(?s)\A`)
	plain := func(s string) {
		re.WriteString(strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(regexp.QuoteMeta(s)))
	}
	at := 0
	for _, m := range variable.FindAllStringSubmatchIndex(pattern, -1) {
		plain(pattern[at:m[0]])
		at = m[1]
		switch name := pattern[m[2]:m[3]]; name {
		case "*", "?", "$":
			re.WriteString(regexp.QuoteMeta(name))
		default:
			values := context[strings.ToLower(name)]
			if len(values) != 1 {
				return false
			}
			re.WriteString(regexp.QuoteMeta(values[0]))
		}
	}
	plain(pattern[at:])
	ok, err := regexp.MatchString(re.String()+`\z`, text)
	return ok && err == nil
}
