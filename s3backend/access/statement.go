package access

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/s3share/s3share/s3backend"
)

// The two effects of a statement.
const (
	Allow = "Allow"
	Deny  = "Deny"
)

// Statement is one statement of a policy. One that was read prints as it was
// read, members unknown here included; it is changed by putting another in its
// place, not by setting its fields.
type Statement struct {
	Sid          string     `json:",omitempty"`
	Effect       string     `json:",omitempty"`
	Principal    *Principal `json:",omitempty"`
	NotPrincipal *Principal `json:",omitempty"`
	Action       Strings    `json:",omitempty"`
	NotAction    Strings    `json:",omitempty"`
	Resource     Strings    `json:",omitempty"`
	NotResource  Strings    `json:",omitempty"`
	Condition    Condition  `json:",omitempty"`

	raw json.RawMessage // as it was read; nil for one that was made
}

// Condition is a statement's: operator, then key, then values.
type Condition map[string]map[string]Strings

// UnmarshalJSON reads a statement and remembers its text.
func (s *Statement) UnmarshalJSON(data []byte) error {
	type plain Statement
	var p plain
	if err := json.Unmarshal(data, &p); err != nil {
		return err
	}
	*s = Statement(p)
	s.raw = bytes.Clone(data)
	return nil
}

// MarshalJSON writes the statement: as it was read, if it was.
func (s Statement) MarshalJSON() ([]byte, error) {
	if s.raw != nil {
		return s.raw, nil
	}
	type plain Statement
	return unescaped(plain(s))
}

// Equal reports whether both statements say the same: a value alone is a list of
// one, and the order in a list means nothing. S3 returns a policy written in
// another way than it was put.
func (s Statement) Equal(o Statement) bool {
	return s.Sid == o.Sid && s.sameEffect(o)
}

// sameEffect is Equal but for the Sid.
func (s Statement) sameEffect(o Statement) bool {
	return s.Effect == o.Effect && s.Principal.equal(o.Principal) &&
		s.NotPrincipal.equal(o.NotPrincipal) &&
		s.Action.equalFold(o.Action) && s.NotAction.equalFold(o.NotAction) &&
		s.Resource.equal(o.Resource) && s.NotResource.equal(o.NotResource) &&
		s.Condition.equal(o.Condition)
}

func (c Condition) equal(o Condition) bool {
	return maps.EqualFunc(c, o, func(a, b map[string]Strings) bool {
		return maps.EqualFunc(a, b, Strings.equal)
	})
}

// Principal is whom a statement is about.
type Principal struct {
	Any bool               // written "*"
	By  map[string]Strings // else by kind: AWS, Service, Federated, CanonicalUser
}

// AWS is the principal of these ARNs, account ids or, alone, "*".
func AWS(names ...string) *Principal {
	return &Principal{By: map[string]Strings{"AWS": names}}
}

// everyone reports whether it is anybody at all, by either way of writing that.
func (p *Principal) everyone() bool {
	return p != nil && (p.Any || slices.Contains(p.By["AWS"], "*"))
}

// UnmarshalJSON reads "*" or an object.
func (p *Principal) UnmarshalJSON(data []byte) error {
	var word string
	if json.Unmarshal(data, &word) == nil {
		if word != "*" {
			return fmt.Errorf(`the principal %q is neither "*" nor an object`, word)
		}
		*p = Principal{Any: true}
		return nil
	}
	*p = Principal{}
	return json.Unmarshal(data, &p.By)
}

// MarshalJSON writes it as it was read.
func (p Principal) MarshalJSON() ([]byte, error) {
	if p.Any {
		return []byte(`"*"`), nil
	}
	return unescaped(p.By)
}

func (p *Principal) equal(o *Principal) bool {
	if p == nil || o == nil {
		return p == o
	}
	return p.Any == o.Any && maps.EqualFunc(p.By, o.By, func(a, b Strings) bool {
		return a.canonical(accountOf).equal(b.canonical(accountOf))
	})
}

// accountIn is the long form of a bare account id: S3 returns it so, in the bucket's
// partition.
func accountIn(partition, s string) string {
	if isAccountID(s) {
		return "arn:" + partition + ":iam::" + s + ":root"
	}
	return s
}

// accountOf is the bare id of an account that is named by its root, in any partition, and
// all else as it is.
func accountOf(s string) string {
	if f := strings.Split(s, ":"); len(f) == 6 && f[0] == "arn" && f[2] == "iam" &&
		f[5] == "root" && isAccountID(f[4]) {
		return f[4]
	}
	return s
}

// isAccountID reports whether s is the id of an AWS account: twelve digits.
func isAccountID(s string) bool { return s3backend.IsAccountID(s) }

// Strings is a value, or a list of them; JSON writes a single one bare.
type Strings []string

// UnmarshalJSON reads a string, a number or a truth value, or a list of them.
func (s *Strings) UnmarshalJSON(data []byte) error {
	var list []scalar
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("[")) {
		if err := json.Unmarshal(data, &list); err != nil {
			return err
		}
	} else {
		list = make([]scalar, 1)
		if err := json.Unmarshal(data, &list[0]); err != nil {
			return err
		}
	}
	*s = make(Strings, len(list))
	for i, v := range list {
		(*s)[i] = string(v)
	}
	return nil
}

// MarshalJSON writes one value bare, and any other number of them as a list.
func (s Strings) MarshalJSON() ([]byte, error) {
	if len(s) == 1 {
		return unescaped(s[0])
	}
	return unescaped([]string(s))
}

func (s Strings) equal(o Strings) bool { return slices.Equal(s.canonical(nil), o.canonical(nil)) }

// equalFold compares actions, whose case means nothing.
func (s Strings) equalFold(o Strings) bool {
	return slices.Equal(s.canonical(strings.ToLower), o.canonical(strings.ToLower))
}

// canonical is s sorted, each value once, and as form writes it.
func (s Strings) canonical(form func(string) string) Strings {
	c := slices.Clone(s)
	for i := range c {
		if form != nil {
			c[i] = form(c[i])
		}
	}
	slices.Sort(c)
	return slices.Compact(c)
}

// scalar is the text of a string, a number or a truth value.
type scalar string

func (v *scalar) UnmarshalJSON(data []byte) error {
	switch data[0] {
	case '"':
		return json.Unmarshal(data, (*string)(v))
	case '{', '[', 'n': // object, list, null
		return fmt.Errorf("%s stands where a text belongs", data)
	}
	*v = scalar(data)
	return nil
}

// unescaped is v as JSON in which <, > and & stay as they are.
func unescaped(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}
