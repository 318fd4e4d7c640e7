package access

import (
	"cmp"
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
	who
	action, resource string
	context          map[string]string // condition keys in lower case
}

// who is who asks, as AWS knows him.
type who struct {
	account, arn string // "" for a request without credentials
	role         string // of which arn is a session
	canonical    string // the account's canonical ID
	org          string
}

// lets is an evaluator of policies that shares nothing with the one under test: it reads
// JSON, and goes by the words of the IAM User Guide, "Policy evaluation logic".
func lets(t *testing.T, policy []map[string]any, r try) bool {
	t.Helper()
	allowed := false
	for _, s := range policy {
		if !concerns(s, "Principal", func(v any) bool { return namesWho(v, r) }) ||
			!concerns(s, "Action", func(v any) bool {
				return anyOf(v, func(p string) bool {
					return globs(strings.ToLower(p), strings.ToLower(r.action))
				})
			}) ||
			!concerns(s, "Resource", func(v any) bool {
				return anyOf(v, func(p string) bool { return globs(p, r.resource) })
			}) ||
			!fulfilled(t, s["Condition"], r) {
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
	if v == "*" {
		return true
	}
	by, _ := v.(map[string]any)
	return anyOf(by["AWS"], func(name string) bool {
		return name == "*" || r.arn != "" && (name == r.arn || name == r.role ||
			name == r.account || name == "arn:aws:iam::"+r.account+":root")
	}) || r.canonical != "" &&
		anyOf(by["CanonicalUser"], func(id string) bool { return id == r.canonical })
}

// globs matches * and ?, one letter at a time.
func globs(pattern, text string) bool {
	if pattern == "" {
		return text == ""
	}
	if pattern[0] == '*' {
		return globs(pattern[1:], text) || text != "" && globs(pattern, text[1:])
	}
	return text != "" && (pattern[0] == '?' || pattern[0] == text[0]) &&
		globs(pattern[1:], text[1:])
}

func fulfilled(t *testing.T, conditions any, r try) bool {
	operators, _ := conditions.(map[string]any)
	ofWho := map[string]string{"aws:principalaccount": r.account,
		"aws:principalarn": cmp.Or(r.role, r.arn), "aws:principalorgid": r.org}
	for operator, keys := range operators {
		for key, values := range keys.(map[string]any) {
			have, present := r.context[strings.ToLower(key)]
			if of := ofWho[strings.ToLower(key)]; of != "" {
				have, present = of, true
			}
			ok := false
			switch operator {
			case "StringEquals", "Bool", "ArnEquals":
				ok = present && anyOf(values, func(v string) bool { return v == have })
			case "StringEqualsIfExists":
				ok = !present || anyOf(values, func(v string) bool { return v == have })
			case "StringNotEquals":
				ok = !present || !anyOf(values, func(v string) bool { return v == have })
			case "StringLike", "ArnLike":
				ok = present && anyOf(values, func(v string) bool { return globs(v, have) })
			case "Null":
				ok = anyOf(values, func(v string) bool { return (v == "true") != present })
			case "IpAddress", "NotIpAddress":
				in := present && anyOf(values, func(v string) bool {
					return netip.MustParsePrefix(v).Contains(netip.MustParseAddr(have))
				})
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
					c := map[string]string{"s3:x-amz-acl": acl, "aws:sourceip": ip,
						"aws:securetransport": tls, "s3:prefix": prefix}
					maps.DeleteFunc(c, func(_, v string) bool { return v == "" })
					contexts = append(contexts, c)
				}
			}
		}
	}
	for _, who := range people {
		for _, resource := range []string{"", "/Submissions/a",
			"/Delivery/a", "/Delivery/deep/a", "/Other/a"} {
			for _, action := range []string{ListBucket, GetObject, PutObject, PutObjectACL,
				DeleteObject, AbortUpload, "s3:PutBucketPolicy"} {
				if onBucket(action) != (resource == "") {
					continue
				}
				for _, c := range contexts {
					all = append(all, try{who, action, "arn:aws:s3:::b" + resource, c})
				}
			}
		}
	}
	return all
}

// people are those who may ask. 444455556666 is the client in most tests.
var people = []who{
	{},
	{"444455556666", "arn:aws:iam::444455556666:user/ann", "", "c444", "o-client"},
	{"444455556666", "arn:aws:iam::444455556666:role/x", "", "c444", "o-client"},
	{"444455556666", "arn:aws:sts::444455556666:assumed-role/x/session", "arn:aws:iam::444455556666:role/x", "c444", "o-client"},
	{"777788889999", "arn:aws:iam::777788889999:role/x", "", "c777", "o-other"},
	{"222233334444", "arn:aws:iam::222233334444:user/bob", "", "c222", ""},
	{"111122223333", "arn:aws:iam::111122223333:role/x", "", "c111", ""}, // of the bucket's owner
}

// underAnyName makes of a statement one that reaches people of the client's account, or
// others, in any of the ways in which a policy can name them.
func underAnyName(r *rand.Rand, s map[string]any) {
	by := func(kind string, name any) { s["Principal"] = map[string]any{kind: name} }
	everybody := func(operator, key string, value any) {
		if r.IntN(2) == 0 {
			s["Principal"] = "*"
		} else {
			by("AWS", "*")
		}
		c, _ := s["Condition"].(map[string]any)
		if c == nil {
			c = map[string]any{}
		}
		c[operator] = map[string]any{key: value}
		s["Condition"] = c
	}
	names := []string{
		"444455556666", "arn:aws:iam::444455556666:root", "arn:aws:iam::444455556666:role/x", "arn:aws:iam::444455556666:user/ann",
		"arn:aws:sts::444455556666:assumed-role/x/session", "arn:aws:iam::777788889999:role/x",
	}
	one := names[r.IntN(len(names))]
	switch r.IntN(10) {
	case 0, 1, 2:
		by("AWS", one)
	case 3:
		by("AWS", []any{"222233334444", one})
	case 4:
		everybody("StringEquals", "aws:PrincipalAccount",
			[]any{"444455556666", "777788889999"}[r.IntN(2)])
	case 5:
		everybody([]string{"StringEquals", "StringLike", "ArnLike", "ArnEquals"}[r.IntN(4)],
			"aws:PrincipalArn", names[2+r.IntN(2)])
	case 6:
		everybody("StringEquals", "aws:PrincipalOrgID", []any{"o-client", "o-other"}[r.IntN(2)])
	case 7:
		by("CanonicalUser", []any{"c444", "c777"}[r.IntN(2)])
	case 8:
		delete(s, "Principal")
		s["NotPrincipal"] = map[string]any{"AWS": []any{"777788889999",
			"arn:aws:iam::444455556666:user/ann"}[r.IntN(2)]}
	case 9:
		everybody("StringNotEquals", "aws:PrincipalAccount", "222233334444")
	}
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
	e := earlier{grant: Grants()[r.IntN(4)], client: pick(clients...), untouched: true}
	terms := Terms{Bucket: "b", Client: e.client, Shared: "Submissions", Delivered: "Delivery",
		Grant: e.grant, Ownership: []Ownership{Enforced, Preferred,
			Writer}[r.IntN(3)], Versions: r.IntN(2) == 0}
	doc := Document{}
	if r.IntN(3) > 0 {
		doc = doc.With(terms)
	}
	if r.IntN(3) == 0 {
		other := terms
		other.Client, other.Grant = "arn:aws:iam::777788889999:root", Grants()[r.IntN(4)]
		doc = doc.With(other)
	}
	var all []any
	for _, s := range doc.Statement {
		if r.IntN(8) == 0 && s.Sid == terms.sid(sidNeedACL) {
			s = terms.formerMustGrantOwner()
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
		if r.IntN(3) > 0 {
			underAnyName(r, s)
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

// clients are those that init lets in, under each kind of name.
var clients = []string{
	"arn:aws:iam::444455556666:root", "arn:aws:iam::444455556666:role/x", "arn:aws:iam::444455556666:user/ann",
	"arn:aws:sts::444455556666:assumed-role/x/session", "arn:aws:iam::777788889999:root", "arn:aws:iam::222233334444:root",
	"arn:aws:iam::111122223333:role/x",
}

// isOf reports whether who asks is the client, or somebody of it.
func (w who) isOf(client string) bool {
	return namesWho(map[string]any{"AWS": client}, try{who: w})
}

// TestInitNeverWidensUnasked sets buckets up again, on any terms, that have random earlier
// policies, in which the client is let in under any name: unless that is told, nobody may
// do then what he may not do now, but a client of whom nobody could do anything before.
func TestInitNeverWidensUnasked(t *testing.T) {
	requests := tries()
	told, quiet, meant := 0, 0, 0
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 7))
		e := randomEarlier(t, r)
		before := parse(t, string(e.text))
		want := Setup{Terms: Terms{
			Bucket: "b", Client: []string{e.client, clients[r.IntN(len(clients))]}[r.IntN(2)],
			Shared: "Submissions", Delivered: "Delivery",
			Grant: append(Grants(), "", "", "")[r.IntN(7)],
			Ownership: []Ownership{"", "", Enforced, Preferred,
				Writer}[r.IntN(5)], Versions: r.IntN(2) == 0,
		}}
		// statements that were changed need a grant
		want.VersionsSaid = want.Grant != "" && r.IntN(2) == 0
		found := Bucket{Exists: true, Policy: &before, Owner: "111122223333",
			Ownership: []Ownership{Enforced, Preferred, Writer}[r.IntN(3)]}
		if r.IntN(4) == 0 {
			found.Endpoint = "http://127.0.0.1:1"
		}
		plan, err := MakePlan(want, found)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if len(plan.Wider) > 0 {
			told++
			continue
		}
		quiet++
		now, then := read(t, e.text), read(t, plan.Policy.Bytes())
		allows := slices.DeleteFunc(slices.Clone(now),
			func(s map[string]any) bool { return s["Effect"] != "Allow" })
		isNew := !slices.ContainsFunc(requests,
			func(q try) bool { return q.isOf(want.Client) && lets(t, allows, q) })
		for _, q := range requests {
			if !lets(t, then, q) || lets(t, now, q) {
				continue
			}
			if isNew && q.isOf(want.Client) {
				meant++
				continue
			}
			t.Fatalf("seed %d: init lets %s in, and %+v is allowed by\n%s\nand not by\n%s",
				seed, want.Client, q, plan.Policy, e.text)
		}
	}
	if told < 100 || quiet < 50 || meant == 0 {
		t.Errorf("%d plans told of more, %d did not, and %d requests were meant to be allowed",
			told, quiet, meant)
	}
}

// TestInitAgainIsNotWider sets an exchange up again of which nobody has changed anything:
// there is nothing to ask.
func TestInitAgainIsNotWider(t *testing.T) {
	for _, client := range clients {
		for _, grant := range Grants() {
			terms := Terms{Bucket: "b", Client: client, Shared: "Submissions",
				Delivered: "Delivery", Grant: grant, Ownership: Enforced}
			before := Document{}.With(terms)
			for i, g := range append(Grants(), "") {
				terms.Grant = g
				plan, err := MakePlan(Setup{Terms: terms},
					Bucket{Exists: true, Policy: &before, Ownership: Enforced})
				if err != nil {
					t.Fatal(err)
				}
				if wider := i < len(Grants()) &&
					i > slices.Index(Grants(), grant); (len(plan.Wider) > 0) != wider {
					t.Errorf("%s has %s and is to have %q: told is %q, want something: %t",
						client, grant, g, plan.Wider, wider)
				}
			}
		}
	}
}

// TestWhomAPolicyMayReach asks of principals and conditions whether a client may have been
// let in by them. Nobody may, and init asks nothing of what a new client may do then.
func TestWhomAPolicyMayReach(t *testing.T) {
	const (
		account, role = "arn:aws:iam::444455556666:root",
			"arn:aws:iam::444455556666:role/path/delivery"
		session, user = "arn:aws:sts::444455556666:assumed-role/delivery/ann",
			"arn:aws:iam::444455556666:user/ann"
	)
	aws := func(name string) string { return `"Principal": {"AWS": "` + name + `"}` }
	for _, tt := range []struct {
		client, statement string
		want              bool
	}{
		{account, aws("444455556666"), true},
		{account, aws(account), true},
		{account, aws(role), true},
		{account, aws(session), true},
		{account, aws(user), true},
		{account, aws("arn:aws:sts::444455556666:federated-user/bob"), true},
		{account, aws("arn:aws:iam::777788889999:root"), false},
		{account, aws("arn:aws:iam::777788889999:role/path/delivery"), false},
		{account, aws("AIDAQ3EGTHXXXXEXAMPLE"), true},
		{account, aws("arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity E1"), false},
		{role, aws("444455556666"), true},
		{role, aws(account), true},
		{role, aws(role), true},
		{role, aws(session), true},
		{role, aws("arn:aws:sts::444455556666:assumed-role/other/ann"), false},
		{role, aws("arn:aws:iam::444455556666:role/other"), false},
		{role, aws(user), false},
		{session, aws(role), true},
		{session, aws(account), true},
		{session, aws("arn:aws:iam::444455556666:role/other"), false},
		{user, aws(account), true},
		{user, aws("arn:aws:sts::444455556666:federated-user/bob"), true},
		{user, aws("arn:aws:iam::444455556666:user/bob"), false},
		{role, `"Principal": "*"`, true},
		{role, aws("*"), true},
		{role, `"NotPrincipal": {"AWS": "777788889999"}`, true},
		{role, `"Principal": {"CanonicalUser": "79a5"}`, true},
		{role, `"Principal": {"Federated": "cognito-identity.amazonaws.com"}`, true},
		{role, `"Principal": {"Service": "logging.s3.amazonaws.com"}`, false},
		{role, `"Principal": {"Service": "logging.s3.amazonaws.com", "AWS": "444455556666"}`, true},
		{role, `"Principal": "*", "Condition": {"StringEquals": {"aws:PrincipalAccount": "444455556666"}}`, true},
		{role, `"Principal": "*", "Condition": {"StringEquals": {"aws:PrincipalAccount": "777788889999"}}`, false},
		{role, `"Principal": "*", "Condition": {"StringEqualsIfExists": {"aws:principalaccount": "777788889999"}}`, false},
		{role, `"Principal": "*", "Condition": {"StringEquals": {"aws:PrincipalAccount": "${aws:PrincipalAccount}"}}`, true},
		{role, `"Principal": "*", "Condition": {"StringNotEquals": {"aws:PrincipalAccount": "777788889999"}}`, true},
		{role, `"Principal": "*", "Condition": {"StringEquals": {"aws:PrincipalArn": "` + role + `"}}`, true},
		{role, `"Principal": "*", "Condition": {"StringEquals": {"aws:PrincipalArn": "` + user + `"}}`, false},
		{session, `"Principal": "*", "Condition": {"StringEquals": {"aws:PrincipalArn": "` + role + `"}}`, true},
		{account, `"Principal": "*", "Condition": {"StringEquals": {"aws:PrincipalArn": "` + role + `"}}`, true},
		{role, `"Principal": "*", "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}`, true},
		{role, aws("444455556666") + `, "Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}`, true},
		// Other servers.
		{"arn:aws:iam:::user/ann", aws("arn:aws:iam:::user/ann"), true},
		{"arn:aws:iam:::user/ann", aws("arn:aws:iam:::user/bob"), false},
		{"arn:aws:iam::tenant:user/ann", aws("arn:aws:iam::tenant:root"), true},
		{"arn:aws:iam::tenant:user/ann", aws("arn:aws:iam::tenant:user/*"), true},
		{"access-key", aws("another-key"), false},
		{"access-key", aws("arn:aws:iam::444455556666:user/ann"), true},
	} {
		d := parse(t, `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", `+tt.statement+
			`, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/Submissions/q1/*"}}`)
		terms := Terms{Bucket: "b", Client: tt.client, Shared: "Submissions",
			Delivered: "Delivery", Grant: Full}
		plan, err := MakePlan(Setup{Terms: terms},
			Bucket{Exists: true, Policy: &d, Owner: "111122223333", Ownership: Enforced})
		if err != nil {
			t.Fatal(err)
		}
		if got := len(plan.Wider) > 0; got != tt.want {
			t.Errorf("init lets %s in, and there is %s: told is %q, want something: %t",
				tt.client, tt.statement, plan.Wider, tt.want)
		}
	}
}

// TestALaterEndIsWider compares what a client is granted until one moment with what it is
// granted until another, or without an end, in all pairs.
func TestALaterEndIsWider(t *testing.T) {
	ends := []string{"2098-01-31", "2099-01-31", "2099-01-31T18:00:00Z", Never}
	terms := Terms{Bucket: "b", Client: "arn:aws:iam::444455556666:root", Shared: "In",
		Delivered: "Out", Grant: Folders, Ownership: Enforced}
	for _, before := range ends {
		for _, after := range ends {
			was, is := terms, terms
			var err, errAfter error
			was.Until, err = ParseUntil(before)
			is.Until, errAfter = ParseUntil(after)
			if err != nil || errAfter != nil {
				t.Fatal(err, errAfter)
			}
			now := Document{}.With(was)
			wider := now.wider(now.With(is), is, "111122223333")
			want := !was.Until.IsZero() && (is.Until.IsZero() || is.Until.After(was.Until))
			if (len(wider) > 0) != want || len(wider) > 1 {
				t.Errorf("from %s to %s: %q", before, after, wider)
			}
			if f := now.formOf(terms); f.grant != Folders || !f.until.Equal(was.Until) || !f.ours {
				t.Errorf("what is granted until %s is read as %+v", before, f)
			}
		}
	}
}

// TestRightsEnd asks a policy that ends in the future, in the past, and not for sure.
func TestRightsEnd(t *testing.T) {
	for _, tt := range []struct {
		condition string
		want      Answer
	}{
		{`{"DateLessThan": {"aws:CurrentTime": "2099-01-01T00:00:00Z"}}`, Yes},
		{`{"DateLessThanEquals": {"AWS:CurrentTime": "2099-01-01"}}`, Yes},
		{`{"DateLessThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}`, No},
		{`{"DateLessThan": {"aws:CurrentTime": ["2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z"]}}`, Yes},
		{`{"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}`, Yes},
		{`{"DateGreaterThan": {"aws:CurrentTime": "2099-01-01T00:00:00Z"}}`, Maybe},
		{`{"DateLessThan": {"aws:CurrentTime": "tomorrow"}}`, Maybe},
		{`{"DateLessThan": {"aws:EpochTime": "2099-01-01T00:00:00Z"}}`, Maybe},
		{`{"DateEquals": {"aws:CurrentTime": "2099-01-01T00:00:00Z"}}`, Maybe},
	} {
		doc,
			err := ParseDocument(
			[]byte(
				`{"Statement": [{"Effect": "Allow", "Principal": {"AWS": "444455556666"}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/Out/*", "Condition": ` + tt.condition + `}]}`))
		if err != nil {
			t.Fatal(err)
		}
		l := Lint{Document: doc, Bucket: "b", Folders: []string{"In", "Out"}}
		if got := l.Rights("arn:aws:iam::444455556666:root", "Out").Get; got != tt.want {
			t.Errorf("%s: get is %v, want %v", tt.condition, got, tt.want)
		}
	}
}
