package access

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// try is a request, and what S3 knows of it.
type try struct {
	account, arn     string // "" for a request without credentials
	action, resource string
	context          map[string]string // condition keys in lower case
}

// lets is an evaluator of policies that shares nothing with the one under test: it reads
// JSON, and goes by the words of the IAM User Guide, "Policy evaluation logic".
func lets(t *testing.T, policy []map[string]any, r try) bool {
	t.Helper()
	allowed := false
	for _, s := range policy {
		if !concerns(s, "Principal", func(v any) bool { return namesWho(v, r) }) ||
			!concerns(s, "Action", func(v any) bool {
				return anyOf(v, func(p string) bool { return globs(strings.ToLower(p), strings.ToLower(r.action)) })
			}) ||
			!concerns(s, "Resource", func(v any) bool { return anyOf(v, func(p string) bool { return globs(p, r.resource) }) }) ||
			!fulfilled(t, s["Condition"], r.context) {
			continue
		}
		if s["Effect"] == "Deny" {
			return false
		}
		allowed = allowed || s["Effect"] == "Allow"
	}
	return allowed
}

// read are a policy's statements.
func read(t *testing.T, policy []byte) []map[string]any {
	t.Helper()
	var doc struct{ Statement []map[string]any }
	if err := json.Unmarshal(policy, &doc); err != nil {
		t.Fatal(err)
	}
	return doc.Statement
}

// concerns looks at a member, or at its opposite.
func concerns(s map[string]any, name string, is func(any) bool) bool {
	if v, found := s["Not"+name]; found {
		return !is(v)
	}
	return is(s[name])
}

func anyOf(v any, is func(string) bool) bool {
	switch v := v.(type) {
	case string:
		return is(v)
	case bool:
		return is(fmt.Sprint(v))
	case []any:
		return slices.ContainsFunc(v, func(e any) bool { return anyOf(e, is) })
	}
	return false
}

func namesWho(v any, r try) bool {
	if by, ok := v.(map[string]any); ok {
		v = by["AWS"]
	}
	return anyOf(v, func(name string) bool {
		return name == "*" || r.arn != "" && (name == r.arn || name == r.account || name == "arn:aws:iam::"+r.account+":root")
	})
}

// globs matches * and ?, one letter at a time.
func globs(pattern, text string) bool {
	if pattern == "" {
		return text == ""
	}
	if pattern[0] == '*' {
		return globs(pattern[1:], text) || text != "" && globs(pattern, text[1:])
	}
	return text != "" && (pattern[0] == '?' || pattern[0] == text[0]) && globs(pattern[1:], text[1:])
}

func fulfilled(t *testing.T, conditions any, context map[string]string) bool {
	operators, _ := conditions.(map[string]any)
	for operator, keys := range operators {
		for key, values := range keys.(map[string]any) {
			have, present := context[strings.ToLower(key)]
			ok := false
			switch operator {
			case "StringEquals", "Bool":
				ok = present && anyOf(values, func(v string) bool { return v == have })
			case "StringEqualsIfExists":
				ok = !present || anyOf(values, func(v string) bool { return v == have })
			case "StringNotEquals":
				ok = !present || !anyOf(values, func(v string) bool { return v == have })
			case "StringLike":
				ok = present && anyOf(values, func(v string) bool { return globs(v, have) })
			case "Null":
				ok = anyOf(values, func(v string) bool { return (v == "true") != present })
			case "IpAddress", "NotIpAddress":
				in := present && anyOf(values, func(v string) bool { return netip.MustParsePrefix(v).Contains(netip.MustParseAddr(have)) })
				ok = in == (operator == "IpAddress")
			default:
				t.Fatalf("the evaluator does not know %s", operator)
			}
			if !ok {
				return false
			}
		}
	}
	return true
}

// tries are requests of all kinds that the random policies tell apart.
func tries() (all []try) {
	var contexts []map[string]string
	for _, acl := range []string{"", "bucket-owner-full-control", "public-read"} {
		for _, ip := range []string{"192.0.2.7", "8.8.8.8"} {
			for _, tls := range []string{"true", "false"} {
				for _, prefix := range []string{"", "Delivery/"} {
					c := map[string]string{"s3:x-amz-acl": acl, "aws:sourceip": ip, "aws:securetransport": tls, "s3:prefix": prefix}
					maps.DeleteFunc(c, func(_, v string) bool { return v == "" })
					contexts = append(contexts, c)
				}
			}
		}
	}
	for _, who := range [][2]string{
		{"", ""}, {"444455556666", "arn:aws:iam::444455556666:user/ann"}, {"444455556666", "arn:aws:iam::444455556666:role/x"},
		{"777788889999", "arn:aws:iam::777788889999:role/x"}, {"222233334444", "arn:aws:iam::222233334444:user/bob"},
	} {
		for _, resource := range []string{"", "/Submissions/a", "/Delivery/a", "/Delivery/deep/a", "/Other/a"} {
			for _, action := range []string{ListBucket, GetObject, PutObject, PutObjectACL, DeleteObject, AbortUpload, "s3:PutBucketPolicy"} {
				if onBucket(action) != (resource == "") {
					continue
				}
				for _, c := range contexts {
					all = append(all, try{who[0], who[1], action, "arn:aws:s3:::b" + resource, c})
				}
			}
		}
	}
	return all
}

// earlier is a policy that init may find.
type earlier struct {
	text      []byte
	client    string
	grant     Grant
	untouched bool // nobody has changed what init wrote for the client
}

// narrowings are what people do by hand to a statement of ours; false if it had no effect.
var narrowings = []func(*rand.Rand, map[string]any) bool{
	func(r *rand.Rand, s map[string]any) bool {
		c, _ := s["Condition"].(map[string]any)
		if c == nil {
			c = map[string]any{}
		}
		switch r.IntN(3) {
		case 0:
			c["IpAddress"] = map[string]any{"aws:SourceIp": "192.0.2.0/24"}
		case 1:
			c["Bool"] = map[string]any{"aws:SecureTransport": "true"}
		default:
			c["StringLike"] = map[string]any{"s3:prefix": "Delivery/*"}
		}
		s["Condition"] = c
		return true
	},
	func(r *rand.Rand, s map[string]any) bool {
		list, ok := s["Action"].([]any)
		if ok {
			s["Action"] = list[r.IntN(len(list))]
		}
		return ok
	},
	func(r *rand.Rand, s map[string]any) bool {
		list, ok := s["Resource"].([]any)
		if ok {
			s["Resource"] = list[r.IntN(len(list))]
		}
		return ok
	},
	func(_ *rand.Rand, s map[string]any) bool {
		one, ok := s["Resource"].(string)
		if ok = ok && strings.HasSuffix(one, "/Delivery/*"); ok {
			s["Resource"] = strings.TrimSuffix(one, "*") + "deep/*"
		}
		return ok
	},
	func(_ *rand.Rand, s map[string]any) bool {
		s["Principal"] = map[string]any{"AWS": "arn:aws:iam::444455556666:role/x"}
		return true
	},
}

// randomEarlier is what init left, what somebody made of it, and statements of others.
func randomEarlier(t *testing.T, r *rand.Rand) earlier {
	t.Helper()
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	e := earlier{grant: Grants()[r.IntN(4)], client: "arn:aws:iam::444455556666:root", untouched: true}
	terms := Terms{Bucket: "b", Client: e.client, Shared: "Submissions", Delivered: "Delivery", Grant: e.grant, Ownership: []Ownership{Enforced, Preferred, Writer}[r.IntN(3)]}
	doc := Document{}.With(terms)
	if r.IntN(3) == 0 {
		other := terms
		other.Client, other.Grant = "arn:aws:iam::777788889999:root", Grants()[r.IntN(4)]
		doc = doc.With(other)
	}
	var all []any
	for _, s := range doc.Statement {
		if r.IntN(8) == 0 && s.Sid == terms.sid(sidNeedACL) {
			s = terms.mustGrantOwnerAlways()
		}
		var m map[string]any
		if err := json.Unmarshal(mustJSON(t, s), &m); err != nil {
			t.Fatal(err)
		}
		ours := s.Effect == Allow && terms.owns(s.Sid)
		switch {
		case s.Effect == Deny && r.IntN(8) == 0, s.Effect == Allow && r.IntN(12) == 0:
			e.untouched = e.untouched && !ours
			continue
		case s.Effect == Allow && r.IntN(6) == 0:
			if narrowings[r.IntN(len(narrowings))](r, m) && ours {
				e.untouched = false
			}
		}
		all = append(all, m)
	}
	for i := range r.IntN(3) {
		s := map[string]any{
			"Sid": fmt.Sprint("Theirs", i), "Effect": pick("Allow", "Allow", "Deny"), "Action": pick("s3:GetObject", "s3:Get*", "s3:*", "s3:PutObject"),
			"Resource":  []any{"arn:aws:s3:::b" + pick("/*", "/Delivery/*", "/Other/*", "*")},
			"Principal": map[string]any{"AWS": pick("arn:aws:iam::444455556666:root", "arn:aws:iam::777788889999:role/x", "222233334444", "*")},
		}
		if r.IntN(2) == 0 {
			narrowings[0](r, s)
		}
		all = append(all, s)
	}
	text, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": all})
	if err != nil {
		t.Fatal(err)
	}
	e.text = text
	return e
}

// named reports whether a policy's Allows name a principal, or one has a Sid of its account.
func named(policy []map[string]any, client string) bool {
	account := strings.Split(client, ":")[4]
	return slices.ContainsFunc(policy, func(s map[string]any) bool {
		sid, _ := s["Sid"].(string)
		by, _ := s["Principal"].(map[string]any)
		return s["Effect"] == "Allow" && (strings.HasPrefix(sid, "S3share") && strings.HasSuffix(sid, account) ||
			anyOf(by["AWS"], func(n string) bool { return n == client || n == account }))
	})
}

// TestInitNeverWidensUnasked sets buckets up again, on any terms, that have random earlier
// policies: unless that is told, nobody may do then what he may not do now, but who is let
// in for the first time, and whose untouched grant is to be another one.
func TestInitNeverWidensUnasked(t *testing.T) {
	requests := tries()
	told, quiet, meant := 0, 0, 0
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 7))
		e := randomEarlier(t, r)
		before := parse(t, string(e.text))
		want := Setup{Terms: Terms{
			Bucket: "b", Client: []string{e.client, e.client, "arn:aws:iam::777788889999:root", "arn:aws:iam::222233334444:root"}[r.IntN(4)],
			Shared: "Submissions", Delivered: "Delivery", Grant: append(Grants(), "", "", "")[r.IntN(7)],
			Ownership: []Ownership{"", "", Enforced, Preferred, Writer}[r.IntN(5)],
		}}
		found := Bucket{Exists: true, Policy: &before, Ownership: []Ownership{Enforced, Preferred, Writer}[r.IntN(3)]}
		if r.IntN(4) == 0 {
			found.Endpoint = "http://127.0.0.1:1"
		}
		plan, err := MakePlan(want, found)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if len(plan.Wider) > 0 {
			told++
			if want.Client == e.client && e.untouched && want.Grant == "" && found.Endpoint == "" && !strings.Contains(string(e.text), `"StringNotEquals"`) {
				t.Errorf("seed %d: nothing was changed, and it would be wider:\n%q", seed, plan.Wider)
			}
			continue
		}
		quiet++
		now, then := read(t, e.text), read(t, plan.Policy.Bytes())
		exempt := ""
		switch {
		case !named(now, want.Client), want.Client == e.client && e.untouched && want.Grant != "" && want.Grant != e.grant,
			want.Client != e.client && want.Grant != "": // the other's statements may be untouched
			exempt = strings.Split(want.Client, ":")[4]
		}
		for _, q := range requests {
			if !lets(t, then, q) || lets(t, now, q) {
				continue
			}
			if q.account == exempt && exempt != "" {
				meant++
				continue
			}
			t.Fatalf("seed %d: %+v is allowed by\n%s\nand not by\n%s", seed, q, plan.Policy, e.text)
		}
	}
	if told < 50 || quiet < 50 || meant == 0 {
		t.Errorf("%d plans told of more, %d did not, and %d requests were meant to be allowed", told, quiet, meant)
	}
}
