package access

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// policyVersion is the only one in which policy variables work.
const policyVersion = "2012-10-17"

// oldPolicyVersion is the earlier one, and that of policies that name none.
const oldPolicyVersion = "2008-10-17"

// maxPolicyBytes is the largest bucket policy that S3 takes, in bytes.
// Source: Amazon S3 User Guide, "Bucket policies".
const maxPolicyBytes = 20 << 10

// Document is a bucket policy. The zero value is the empty one, which S3 does
// not take. A Document that was read keeps what it was read from: the order of
// its members and statements, and what this package does not know.
type Document struct {
	Statement []Statement

	members []member // of the document, in order; Statement's place is kept, not its value
}

// member is one name and value of a JSON object.
type member struct {
	name  string
	value json.RawMessage
}

// ParseDocument reads a policy. Its error says what is no policy about it.
func ParseDocument(data []byte) (Document, error) {
	var d Document
	if err := d.UnmarshalJSON(data); err != nil {
		return Document{}, err
	}
	return d, nil
}

// UnmarshalJSON reads a policy: one statement, or a list of them.
func (d *Document) UnmarshalJSON(data []byte) error {
	members, err := membersOf(data)
	if err != nil {
		return err
	}
	doc := Document{members: members}
	found := 0
	for _, m := range members {
		if m.name != "Statement" {
			continue
		}
		found++
		if bytes.HasPrefix(m.value, []byte("{")) {
			doc.Statement = make([]Statement, 1)
			err = json.Unmarshal(m.value, &doc.Statement[0])
		} else {
			err = json.Unmarshal(m.value, &doc.Statement)
		}
		if err != nil {
			return fmt.Errorf("cannot read the statements: %w", err)
		}
	}
	if found != 1 {
		return fmt.Errorf("it has %d members named Statement, and a policy has one", found)
	}
	*d = doc
	return nil
}

// membersOf takes an object apart.
func membersOf(data []byte) ([]member, error) {
	if !json.Valid(data) {
		var v any
		return nil, fmt.Errorf("it is not JSON: %w", json.Unmarshal(data, &v))
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("it is JSON, but not an object in braces")
	}
	var all []member
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, err
		}
		all = append(all, member{name.(string), value})
	}
	return all, nil
}

// MarshalJSON writes the policy, its statements as a list.
func (d Document) MarshalJSON() ([]byte, error) {
	members := d.members
	if members == nil {
		members = []member{{name: "Version", value: json.RawMessage(`"` + policyVersion + `"`)},
			{name: "Statement"}}
	}
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range members {
		if i > 0 {
			b.WriteByte(',')
		}
		if m.name == "Statement" {
			value, err := unescaped(d.Statement)
			if err != nil {
				return nil, err
			}
			m.value = value
		}
		name, err := unescaped(m.name)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(m.value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// Bytes is the policy as S3 is sent it, without spaces.
func (d Document) Bytes() []byte {
	var b bytes.Buffer
	text, err := d.MarshalJSON()
	if err == nil {
		err = json.Compact(&b, text)
	}
	if err != nil {
		panic(err) // statements are made of text, or were read from valid JSON
	}
	return b.Bytes()
}

// String is the policy as people read it.
func (d Document) String() string {
	var b bytes.Buffer
	if err := json.Indent(&b, d.Bytes(), "", "  "); err != nil {
		panic(err)
	}
	return b.String()
}

// String is the statement as people read it, and can paste it.
func (s Statement) String() string {
	text, err := s.MarshalJSON()
	var b bytes.Buffer
	if err == nil {
		err = json.Indent(&b, text, "", "  ")
	}
	if err != nil {
		panic(err)
	}
	return b.String()
}

// With returns the policy with the statements of the terms in it: in the place
// of those with the same Sid, or else at the end. Allows of earlier terms with
// the same client are gone; without a grant all of them stay. All others stay as they
// are, and so does a Deny that bears a Sid of ours: somebody may have made it stricter.
// But the Deny under which no part of an upload arrives gets its new form. What
// a statement says already, whosoever it is, is not said again.
func (d Document) With(t Terms) Document {
	want := t.allStatements()
	if t.Grant == "" {
		want = slices.DeleteFunc(want, func(s Statement) bool { return s.Effect == Allow })
	}
	out := Document{members: d.members}
	take := func(i int) { want = slices.Delete(want, i, i+1) }
	for _, s := range d.Statement {
		i := slices.IndexFunc(want,
			func(w Statement) bool { return w.Sid == s.Sid || w.sameEffect(s) })
		switch {
		case t.Grant != "" && t.formerMustGrantOwner().Equal(s):
			s = t.mustGrantOwner()
			if i >= 0 {
				take(i)
			}
		case i >= 0 && (want[i].sameEffect(s) || s.Effect == Deny):
			take(i)
		case i >= 0:
			s = want[i]
			take(i)
		case t.Grant != "" && t.owns(s.Sid) && s.Effect == Allow:
			continue
		}
		out.Statement = append(out.Statement, s)
	}
	out.Statement = append(out.Statement, want...)
	return out
}

// policyVersion is the version that the policy says it is of.
func (d Document) policyVersion() string {
	if d.members == nil {
		return policyVersion
	}
	for _, m := range d.members {
		if m.name == "Version" {
			var v string
			if json.Unmarshal(m.value, &v) != nil {
				return string(m.value)
			}
			return v
		}
	}
	return oldPolicyVersion
}

// partition is that of the policy's resources, "" if they name none.
func (d Document) partition() string {
	for _, s := range d.Statement {
		for _, r := range slices.Concat(s.Resource, s.NotResource) {
			if p := partitionOfARN(r); p != "" && p != "*" {
				return p
			}
		}
	}
	return ""
}

// Equal reports whether both policies have the same statements in the same order.
func (d Document) Equal(o Document) bool {
	return slices.EqualFunc(d.Statement, o.Statement, Statement.Equal)
}
