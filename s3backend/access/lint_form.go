package access

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// statementMembers are all that a statement may have, and policyMembers a policy.
// Source: IAM User Guide, "Grammar of the IAM JSON policy language".
var (
	policyMembers    = []string{"Version", "Id", "Statement"}
	statementMembers = []string{
		"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource",
		"NotResource", "Condition",
	}
)

// operators are those of conditions, without what may stand before and behind.
// Source: IAM User Guide, "IAM JSON policy elements: Condition operators".
var operators = []string{
	"StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase",
	"StringLike", "StringNotLike",
	"NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals",
	"NumericGreaterThan", "NumericGreaterThanEquals",
	"DateEquals", "DateNotEquals", "DateLessThan", "DateLessThanEquals", "DateGreaterThan",
	"DateGreaterThanEquals",
	"Bool", "BinaryEquals", "IpAddress", "NotIpAddress", "ArnEquals", "ArnLike",
	"ArnNotEquals", "ArnNotLike", "Null",
}

// oddities are what S3 would refuse a statement for, and what two readers of it could
// understand in two ways: members that are written twice, or in other letters.
func (s Statement) oddities() (all []string) {
	text, err := s.MarshalJSON()
	if err != nil {
		return []string{"it cannot be read"}
	}
	members, err := membersOf(text)
	if err != nil {
		return []string{"it cannot be read"}
	}
	all = append(all, oddMembers(members, statementMembers)...)
	for _, m := range members {
		all = append(all, twice(m.value)...)
	}
	for operator := range s.Condition {
		plain := strings.TrimSuffix(operator, "IfExists")
		plain = strings.TrimPrefix(strings.TrimPrefix(plain, "ForAllValues:"), "ForAnyValue:")
		if !slices.Contains(operators, plain) ||
			plain == "Null" && strings.HasSuffix(operator, "IfExists") {
			all = append(all, fmt.Sprintf("the condition operator %q does not exist", operator))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// oddMembers are those that are not of a list, or there twice.
func oddMembers(members []member, of []string) (all []string) {
	seen := map[string]bool{}
	for _, m := range members {
		switch {
		case !slices.Contains(of, m.name):
			all = append(all, fmt.Sprintf("the member %q does not exist", m.name))
		case seen[m.name]:
			all = append(all, fmt.Sprintf("the member %q occurs twice", m.name))
		}
		seen[m.name] = true
	}
	return all
}

// twice are the names that an object, or one in it, has twice.
func twice(value json.RawMessage) (all []string) {
	if !bytes.HasPrefix(bytes.TrimSpace(value), []byte("{")) {
		return nil
	}
	members, err := membersOf(value)
	if err != nil {
		return nil // it was read before
	}
	seen := map[string]bool{}
	for _, m := range members {
		if seen[m.name] {
			all = append(all, fmt.Sprintf("the member %q occurs twice", m.name))
		}
		seen[m.name] = true
		all = append(all, twice(m.value)...)
	}
	return all
}
