package access

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

// randomPolicy makes a policy of somebody else: any mix of the members and forms
// that S3 takes, and some that nobody knows yet.
func randomPolicy(r *rand.Rand) map[string]any {
	one := func(of ...string) string { return of[r.IntN(len(of))] }
	some := func(of ...string) any { // a value alone, or a list
		if r.IntN(2) == 0 {
			return one(of...)
		}
		list := make([]any, 1+r.IntN(3))
		for i := range list {
			list[i] = one(of...)
		}
		return list
	}
	actions := func() any {
		return some("s3:GetObject", "s3:*", "s3:Put*", "s3:getobject", "s3:ListBucket", "*")
	}
	resources := func() any {
		return some("arn:aws:s3:::b", "arn:aws:s3:::b/*", "arn:aws:s3:::b/Delivery/*",
			"*", "arn:aws:s3:::b/${aws:username}/<&>")
	}
	names := func() any {
		return some("444455556666", "arn:aws:iam::444455556666:root",
			"arn:aws:iam::777788889999:role/x", "AIDAEXAMPLE", "*")
	}
	statement := func(i int) any {
		s := map[string]any{"Effect": one("Allow", "Deny")}
		if r.IntN(3) > 0 {
			s["Sid"] = one(fmt.Sprint("Sid", i), fmt.Sprint("S3shareOther", i),
				fmt.Sprint("with spaces ", i))
		}
		principal := one("Principal", "NotPrincipal")
		if r.IntN(4) == 0 {
			s[principal] = "*"
		} else {
			s[principal] = map[string]any{one("AWS", "Service",
				"Federated", "CanonicalUser"): names()}
		}
		s[one("Action", "NotAction")] = actions()
		s[one("Resource", "NotResource")] = resources()
		if r.IntN(2) == 0 {
			s["Condition"] = map[string]any{one("StringEquals", "Bool", "ForAnyValue:StringLike",
				"IpAddress", "NumericLessThan"): map[string]any{
				one("aws:SecureTransport", "aws:SourceIp", "s3:prefix",
					"s3:x-amz-acl"): []any{some("a", "true"), true, json.Number("1.50"), "x"}[r.IntN(4)],
			}}
		}
		if r.IntN(5) == 0 {
			s["Future"] = map[string]any{"kept": []any{json.Number("1e3"), nil, "é<>"}}
		}
		return s
	}
	doc := map[string]any{"Version": one("2012-10-17", "2008-10-17")}
	if r.IntN(3) == 0 {
		doc[one("Id", "Unknown")] = "x"
	}
	if r.IntN(4) == 0 {
		doc["Statement"] = statement(0)
		return doc
	}
	list := make([]any, r.IntN(6))
	for i := range list {
		list[i] = statement(i)
	}
	doc["Statement"] = list
	return doc
}

// TestForeignStatementsStay lets clients in, on terms that change, to buckets with
// random policies: each statement of others is there afterwards, in its order and
// with every member, and what is to be is what there is.
func TestForeignStatementsStay(t *testing.T) {
	clients := []string{"arn:aws:iam::444455556666:root",
		"arn:aws:iam::777788889999:role/x", "arn:aws:iam:::user/c"}
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 1))
		text, err := unescaped(randomPolicy(r))
		if err != nil {
			t.Fatal(err)
		}
		before := parse(t, string(text))
		doc := before
		var terms Terms
		for range 1 + r.IntN(4) {
			terms = Terms{
				Bucket: "b", Client: clients[r.IntN(len(clients))],
				Shared: "Submissions", Delivered: "Delivery",
				Grant: Grants()[r.IntN(4)], Ownership: []Ownership{"", Enforced, Preferred,
					Writer}[r.IntN(4)], Elsewhere: r.IntN(4) == 0, Versions: r.IntN(2) == 0,
			}
			doc = parse(t, string(doc.With(terms).Bytes())) // S3 has it meanwhile
		}
		if got, want := foreignOf(t, doc), foreignOf(t, before); !reflect.DeepEqual(got, want) {
			t.Fatalf("seed %d: of others were\n%v\nand are\n%v", seed, want, got)
		}
		if got, want := rest(t, doc), rest(t, before); !reflect.DeepEqual(got, want) {
			t.Fatalf("seed %d: beside the statements was %v and is %v", seed, want, got)
		}
		for _, w := range terms.allStatements() {
			if !slices.ContainsFunc(doc.Statement, w.sameEffect) {
				t.Fatalf("seed %d: missing is\n%s\nin\n%s", seed, w, doc)
			}
		}
		if again := doc.With(terms); string(again.Bytes()) != string(doc.Bytes()) {
			t.Fatalf("seed %d: the second time it is\n%s\nnot\n%s", seed, again, doc)
		}
		if seed%10 == 0 {
			LintTerms(doc, terms).Remarks() // has to cope with it
		}
	}
}

// foreignOf are the statements that bear no Sid that terms give, as any reader of
// JSON sees them.
func foreignOf(t *testing.T, d Document) (all []any) {
	t.Helper()
	for _, s := range d.Statement {
		if !s.ours() || len(s.Sid) > 12 && s.Sid[:12] == "S3shareOther" {
			var v any
			if err := json.Unmarshal(mustJSON(t, s), &v); err != nil {
				t.Fatal(err)
			}
			all = append(all, v)
		}
	}
	return all
}

func rest(t *testing.T, d Document) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(d.Bytes(), &v); err != nil {
		t.Fatal(err)
	}
	delete(v, "Statement")
	return v
}
