package iam

import (
	"encoding/base64"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// operator is how a condition compares.
type operator struct {
	set     string // ForAllValues or ForAnyValue, "" for neither
	exists  bool   // IfExists: a key that is absent matches
	negated bool
	null    bool
	equal   func(want, have string, context map[string][]string) bool
}

// comparisons are the operators by their names, the negated ones without their Not.
// A negated one holds where no value is equal.
var comparisons = map[string]func(want, have string, context map[string][]string) bool{
	"StringEquals": func(want, have string, _ map[string][]string) bool { return want == have },
	"StringEqualsIgnoreCase": func(want, have string, _ map[string][]string) bool {
		return strings.EqualFold(want, have)
	},
	"StringLike": func(want, have string, context map[string][]string) bool {
		return Like(want, have, context, false)
	},
	"ArnEquals": func(want, have string, context map[string][]string) bool {
		return Like(want, have, context, false)
	},
	"ArnLike": func(want, have string, context map[string][]string) bool {
		return Like(want, have, context, false)
	},
	"Bool": func(want, have string, _ map[string][]string) bool {
		return strings.EqualFold(want, have)
	},
	"BinaryEquals": func(want, have string, _ map[string][]string) bool {
		raw, err := base64.StdEncoding.DecodeString(want)
		return err == nil && string(raw) == have
	},
	"IpAddress":                inNetwork,
	"NumericEquals":            numbers(func(have, want float64) bool { return have == want }),
	"NumericLessThan":          numbers(func(have, want float64) bool { return have < want }),
	"NumericLessThanEquals":    numbers(func(have, want float64) bool { return have <= want }),
	"NumericGreaterThan":       numbers(func(have, want float64) bool { return have > want }),
	"NumericGreaterThanEquals": numbers(func(have, want float64) bool { return have >= want }),
	"DateEquals":               dates(func(have, want time.Time) bool { return have.Equal(want) }),
	"DateLessThan":             dates(func(have, want time.Time) bool { return have.Before(want) }),
	"DateLessThanEquals":       dates(func(have, want time.Time) bool { return !have.After(want) }),
	"DateGreaterThan":          dates(func(have, want time.Time) bool { return have.After(want) }),
	"DateGreaterThanEquals": dates(func(have, want time.Time) bool {
		return !have.Before(want)
	}),
}

// negations are the negated operators, and what they negate.
var negations = map[string]string{
	"StringNotEquals": "StringEquals", "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
	"StringNotLike": "StringLike",
	"ArnNotEquals":  "ArnEquals", "ArnNotLike": "ArnLike", "NotIpAddress": "IpAddress",
	"NumericNotEquals": "NumericEquals", "DateNotEquals": "DateEquals",
}

// operatorOf finds an operator by its name, false where there is none.
func operatorOf(name string) (op operator, ok bool) {
	if set, rest, has := strings.Cut(name, ":"); has {
		if set != "ForAllValues" && set != "ForAnyValue" {
			return op, false
		}
		op.set, name = set, rest
	}
	name, op.exists = strings.CutSuffix(name, "IfExists")
	if name == "Null" {
		op.null = true
		return op, op.set == "" && !op.exists
	}
	if positive, is := negations[name]; is {
		name, op.negated = positive, true
	}
	op.equal, ok = comparisons[name]
	return op, ok
}

// holds reports whether the condition holds for the values that a request has of a
// key. Of a key that is absent a negated operator holds, and so does one with
// IfExists; "Null": "true" holds of nothing else.
func (op operator) holds(want, have []string, context map[string][]string) bool {
	if op.null {
		return slices.ContainsFunc(want,
			func(w string) bool { return strings.EqualFold(w, strconv.FormatBool(len(have) == 0)) })
	}
	one := func(h string) bool {
		equal := slices.ContainsFunc(want, func(w string) bool { return op.equal(w, h, context) })
		return equal != op.negated
	}
	switch {
	case len(have) == 0 && op.set == "ForAnyValue":
		return false
	case len(have) == 0:
		return op.exists || op.negated || op.set == "ForAllValues"
	case op.set == "ForAllValues" || op.negated && op.set == "":
		return !slices.ContainsFunc(have, func(h string) bool { return !one(h) })
	}
	return slices.ContainsFunc(have, one)
}

func inNetwork(want, have string, _ map[string][]string) bool {
	ip, err := netip.ParseAddr(have)
	if err != nil {
		return false
	}
	if net, err := netip.ParsePrefix(want); err == nil {
		return net.Contains(ip)
	}
	single, err := netip.ParseAddr(want)
	return err == nil && single == ip
}

func numbers(compare func(have, want float64) bool) func(want,
	have string, _ map[string][]string) bool {
	return func(want, have string, _ map[string][]string) bool {
		w, err := strconv.ParseFloat(want, 64)
		if err != nil {
			return false
		}
		h, err := strconv.ParseFloat(have, 64)
		return err == nil && compare(h, w)
	}
}

func dates(compare func(have, want time.Time) bool) func(want,
	have string, _ map[string][]string) bool {
	return func(want, have string, _ map[string][]string) bool {
		w, ok := dateOf(want)
		if !ok {
			return false
		}
		h, ok := dateOf(have)
		return ok && compare(h, w)
	}
}

// dateOf reads a time as policies write it: ISO 8601, or seconds since 1970.
func dateOf(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, time.DateOnly, "2006-01-02T15:04Z"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return time.Unix(n, 0), err == nil
}
