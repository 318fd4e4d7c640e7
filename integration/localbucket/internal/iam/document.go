// Package iam reads policies and judges requests by them, as AWS documents it:
// statements with principals, actions, resources and conditions, in bucket policies
// and in the policies of users. It knows neither HTTP nor buckets.
//
// A [Document] is parsed once, and [Document.Judge] says what it makes of one
// [Request]: allowed, denied, or nothing. Who combines several documents does that
// by the rule that a deny in any of them is final.
//
// Source of the rules: IAM User Guide, "IAM JSON policy elements" and "Policy
// evaluation logic".
package iam

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Document is a policy.
type Document struct {
	Version   string
	Statement []Statement
}

// Statement is one statement of a policy.
type Statement struct {
	Sid          string
	Effect       string
	Principal    *Principal
	NotPrincipal *Principal
	Action       Strings
	NotAction    Strings
	Resource     Strings
	NotResource  Strings
	Condition    map[string]map[string]Strings // by operator, then by key
}

// Parse reads a policy. Its error says what is malformed about it.
func Parse(text []byte) (Document, error) {
	var raw struct {
		Version   string
		Statement json.RawMessage
	}
	var d Document
	if err := json.Unmarshal(text, &raw); err != nil {
		return d, fmt.Errorf("this policy contains invalid Json: %w", err)
	}
	d.Version = raw.Version
	var err error
	if one := bytes.TrimSpace(raw.Statement); bytes.HasPrefix(one, []byte("{")) {
		d.Statement = make([]Statement, 1)
		err = json.Unmarshal(one, &d.Statement[0])
	} else if len(one) > 0 {
		err = json.Unmarshal(one, &d.Statement)
	}
	if err != nil {
		return d, fmt.Errorf("this policy contains invalid Json: %w", err)
	}
	if len(d.Statement) == 0 {
		return d, errors.New("missing required field Statement")
	}
	for _, s := range d.Statement {
		if err := s.check(); err != nil {
			return d, err
		}
	}
	return d, nil
}

func (s Statement) check() error {
	switch {
	case s.Effect != "Allow" && s.Effect != "Deny":
		return fmt.Errorf("invalid effect: %s", s.Effect)
	case (len(s.Action) == 0) == (len(s.NotAction) == 0):
		return errors.New("missing required field Action")
	case (len(s.Resource) == 0) == (len(s.NotResource) == 0):
		return errors.New("missing required field Resource")
	}
	for operator := range s.Condition {
		if _, ok := operatorOf(operator); !ok {
			return fmt.Errorf("invalid Condition type : %s", operator)
		}
	}
	return nil
}

// Principal is whom a statement is about.
type Principal struct {
	Any bool
	By  map[string]Strings // by kind: AWS, CanonicalUser, Service, Federated
}

// UnmarshalJSON reads "*" or an object.
func (p *Principal) UnmarshalJSON(text []byte) error {
	var word string
	if json.Unmarshal(text, &word) == nil {
		if word != "*" {
			return fmt.Errorf("invalid principal: %q", word)
		}
		p.Any = true
		return nil
	}
	return json.Unmarshal(text, &p.By)
}

// Names are the principals of one kind.
func (p *Principal) Names(kind string) Strings {
	if p == nil {
		return nil
	}
	return p.By[kind]
}

// includes reports whether the principal is one of these. The root of an account, or
// its bare id, means all of the account.
func (p *Principal) includes(r Request) bool {
	if p.Any || slices.Contains(p.By["AWS"], "*") {
		return true
	}
	if r.Account == "" {
		return false
	}
	if slices.Contains(p.By["CanonicalUser"], r.Account) {
		return true
	}
	return slices.ContainsFunc(p.By["AWS"], func(name string) bool {
		return name == r.Account || name == r.Principal || AccountOfRoot(name) == r.Account
	})
}

// AccountOfRoot is the account whose root the ARN names, "" for any other.
func AccountOfRoot(arn string) string {
	f := strings.Split(arn, ":")
	if len(f) == 6 && f[0] == "arn" && f[2] == "iam" && f[5] == "root" {
		return f[4]
	}
	return ""
}

// Strings is one string or a list of them. Numbers and truth values are read as they
// are written.
type Strings []string

// UnmarshalJSON reads a value or a list.
func (s *Strings) UnmarshalJSON(text []byte) error {
	var list []any
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return err
	}
	if l, ok := v.([]any); ok {
		list = l
	} else {
		list = []any{v}
	}
	for _, v := range list {
		switch v := v.(type) {
		case string:
			*s = append(*s, v)
		case json.Number:
			*s = append(*s, v.String())
		case bool:
			*s = append(*s, fmt.Sprint(v))
		default:
			return fmt.Errorf("a value is a %T", v)
		}
	}
	return nil
}
