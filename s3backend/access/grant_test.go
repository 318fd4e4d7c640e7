package access

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// termsIn are terms with a client in a region, named by its account id.
func termsIn(t *testing.T, region string, g Grant, o Ownership) Terms {
	t.Helper()
	client, err := ClientPrincipal("444455556666", region, false)
	if err != nil {
		t.Fatal(err)
	}
	return Terms{Bucket: "team-exchange", Client: client, Shared: "Submissions",
		Delivered: "Delivery", Grant: g, Ownership: o}
}

// TestEveryPartition has a policy of ours name the ARNs of its region's partition, be
// what it is meant to be, and stay as it is when S3 returns it in its own writing.
func TestEveryPartition(t *testing.T) {
	for region, partition := range map[string]string{
		"eu-central-1": "aws", "cn-north-1": "aws-cn", "us-gov-west-1": "aws-us-gov", "eusc-de-east-1": "aws-eusc",
		"us-iso-east-1": "aws-iso", "us-isob-east-1": "aws-iso-b", "eu-isoe-west-1": "aws-iso-e", "us-isof-south-1": "aws-iso-f",
	} {
		for _, g := range Grants() {
			for _, o := range []Ownership{Enforced, Preferred, Writer} {
				terms := termsIn(t, region, g, o)
				doc := Document{}.With(terms)
				text := doc.String()
				for _, arn := range strings.Split(text, `"arn:`)[1:] {
					if !strings.HasPrefix(arn, partition+":") {
						t.Errorf("%s, %s, %s: an ARN is arn:%.40s", region, g, o, arn)
					}
				}
				if got := doc.partition(); got != partition {
					t.Errorf("%s: the policy is of the partition %q, want %s", region,
						got, partition)
				}
				lint := LintTerms(doc, terms)
				for _, r := range lint.Remarks() {
					if r.Level != Note {
						t.Errorf("%s, %s, %s: %+v", region, g, o, r)
					}
				}
				if r := lint.Rights(terms.Client, "Delivery"); r.List != Yes || r.Put != Yes ||
					(r.Get == Yes) != (g != Dropbox) || (r.Delete == Yes) != (g == Full) {
					t.Errorf("%s, %s, %s: in Delivery %s", region, g, o, r.Words(OnCondition))
				}
				if r := lint.Rights(terms.Client,
					"Submissions"); (r.Get == Yes) != (g != Dropbox) ||
					(r.Put == Yes) != (g == article || g == Full) {
					t.Errorf("%s, %s, %s: in Submissions %s", region, g, o, r.Words(OnCondition))
				}
				bare, err := ParseDocument(
					[]byte(strings.ReplaceAll(text, terms.Client, "444455556666")))
				if err != nil {
					t.Fatal(err)
				}
				if again := bare.With(terms); !again.Equal(bare) ||
					len(again.Statement) != len(doc.Statement) {
					t.Errorf("%s: with the account's bare id it is another policy:\n%s",
						region, again)
				}
				if got := bare.Clients(); len(got) != 1 || got[0] != terms.Client {
					t.Errorf("%s: the clients are %q, want %s", region, got, terms.Client)
				}
				key := Setup{Terms: terms}.keyStatement(region)
				if via := key.Condition["StringEquals"]["kms:ViaService"][0]; !strings.HasPrefix(
					via, "s3."+region+".") || strings.HasSuffix(via,
					".amazonaws.com") != (partition == "aws" || partition == "aws-us-gov") {
					t.Errorf("%s: the key is used via %s", region, via)
				}
			}
		}
	}
}

// TestEarlierStatements has a policy that an earlier version made get what this one
// needs: the grant stays the one it was, and the Deny under which no part of an upload
// arrives is replaced.
func TestEarlierStatements(t *testing.T) {
	terms := termsIn(t, "eu-central-1", Folders, Writer)
	earlier := terms.statements(terms.objects("Submissions"), terms.objects("Delivery"), nil)
	for i, s := range earlier {
		if s.Sid == terms.sid(sidNeedACL) {
			earlier[i] = terms.formerMustGrantOwner()
		}
	}
	text, err := json.Marshal(map[string]any{"Version": policyVersion, "Statement": earlier})
	if err != nil {
		t.Fatal(err)
	}
	doc, err := ParseDocument(text)
	if err != nil {
		t.Fatal(err)
	}
	if got := doc.formOf(terms); got.grant != Folders || !got.ours {
		t.Errorf("the grant is %+v, want folders", got)
	}
	after := doc.With(terms)
	if want := (Document{}).With(terms); !sameStatements(after, want) {
		t.Errorf("the policy is\n%s\nwant\n%s", after, want)
	}
	if got := LintTerms(doc, terms).Rights(terms.Client, "Delivery").Get; got != No {
		t.Errorf("get in Delivery was %v before", got)
	}
	// One that somebody has made stricter stays.
	stricter := terms.formerMustGrantOwner()
	stricter.Action = Strings{PutObject, DeleteObject}
	strict := Document{Statement: []Statement{stricter}}.With(terms)
	if !strict.Statement[0].Equal(stricter) {
		t.Errorf("a Deny that was made stricter is now\n%s", strict.Statement[0])
	}
	// And without the ownership that asks for it, it stays in the new form.
	terms.Ownership = Enforced
	if got := doc.With(terms).Statement; !slices.ContainsFunc(got, terms.mustGrantOwner().Equal) ||
		slices.ContainsFunc(got, terms.formerMustGrantOwner().Equal) {
		t.Errorf("under enforced there is\n%s", got)
	}
}

func sameStatements(a, b Document) bool {
	if len(a.Statement) != len(b.Statement) {
		return false
	}
	for _, s := range a.Statement {
		found := false
		for _, o := range b.Statement {
			found = found || s.Equal(o)
		}
		if !found {
			return false
		}
	}
	return true
}

// TestStatementsForAccessPoints names an access point by its own ARN, and objects behind
// it as its policy does.
func TestStatementsForAccessPoints(t *testing.T) {
	const point = "arn:aws-cn:s3:cn-north-1:111122223333:accesspoint/team"
	terms := termsIn(t, "cn-north-1", Full, Writer)
	terms.Bucket = point
	all := append(terms.allStatements(), missingStatement(point,
		terms.Client, []string{ListBucket, PutObject}, []string{"Delivery"}))
	for _, s := range all {
		for _, r := range s.Resource {
			if r != point && !strings.HasPrefix(r, point+"/object/") {
				t.Errorf("%s is about %s", s.Sid, r)
			}
		}
	}
}
