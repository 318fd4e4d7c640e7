package access

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
)

// oddPolicy has what this package does not know, and each form of the rest.
const oddPolicy = `{
  "Version": "2008-10-17",
  "Id": "theirs <&>",
  "Statement": {
    "Sid": "Old one", "Effect": "Allow",
    "Principal": {"Service": "logging.s3.amazonaws.com", "CanonicalUser": ["a", "b"]},
    "NotAction": "s3:Delete*", "NotResource": ["arn:aws:s3:::b/x"],
    "Condition": {"Bool": {"aws:SecureTransport": true}, "NumericLessThan": {"s3:max-keys": [10]}},
    "Future": {"kept": [1.50, null]}
  },
  "Unknown": [1, 2]
}`

func same(t *testing.T, got, want []byte) {
	t.Helper()
	var g, w any
	if err := json.Unmarshal(got, &g); err != nil {
		t.Fatalf("%v in\n%s", err, got)
	}
	if err := json.Unmarshal(want, &w); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(g, w) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func parse(t *testing.T, text string) Document {
	t.Helper()
	d, err := ParseDocument([]byte(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return d
}

func TestDocumentKeepsWhatItReads(t *testing.T) {
	d := parse(t, oddPolicy)
	want := bytes.Replace([]byte(oddPolicy), []byte(`"Statement": {`), []byte(`"Statement": [{`), 1)
	want = bytes.Replace(want, []byte("},\n  \"Unknown\""), []byte("}],\n  \"Unknown\""), 1)
	same(t, d.Bytes(), want)
	same(t, []byte(d.String()), want)
	s := d.Statement[0]
	if got := s.Condition["Bool"]["aws:SecureTransport"]; !reflect.DeepEqual(got, Strings{"true"}) {
		t.Errorf("the condition reads %q, want true", got)
	}
	if got := s.Condition["NumericLessThan"]["s3:max-keys"]; !reflect.DeepEqual(got,
		Strings{"10"}) {
		t.Errorf("the condition reads %q, want 10", got)
	}
	if s.Principal.everyone() ||
		!reflect.DeepEqual(s.Principal.By["CanonicalUser"], Strings{"a", "b"}) {
		t.Errorf("the principal reads %+v", s.Principal)
	}
}

func TestParseDocumentRefuses(t *testing.T) {
	for _, text := range []string{
		``, `[]`, `"x"`, `{}`, `{"Statement": 1}`, `{"Statement": [1]}`, `{"Statement": [{"Principal": "me"}]}`,
		`{"Statement": [{"Action": {"a": 1}}]}`, `{"Statement": [{"Action": null}]}`, `{"Statement": [], "Statement": []}`, `{"Statement": []} x`,
	} {
		if d, err := ParseDocument([]byte(text)); err == nil {
			t.Errorf("ParseDocument(%s) = %s, want an error", text, d)
		}
	}
}

var team = Terms{
	Bucket: "team-exchange", Client: "arn:aws:iam::444455556666:root",
	Shared: "Submissions", Delivered: "Delivery", Grant: Folders, Ownership: Enforced,
}

func TestWithKeepsForeignStatements(t *testing.T) {
	before := parse(t, oddPolicy)
	after := before.With(team)
	same(t, mustJSON(t, after.Statement[0]), mustJSON(t, before.Statement[0]))
	if want := 1 + len(team.allStatements()); len(after.Statement) != want {
		t.Fatalf("%d statements, want %d:\n%s", len(after.Statement), want, after)
	}
	again := parse(t, after.String()).With(team)
	if !again.Equal(after) {
		t.Errorf("the second time it is\n%s\nnot\n%s", again, after)
	}
}

func TestWithReplacesItsOwn(t *testing.T) {
	wide := team
	wide.Grant = Full
	other := team
	other.Client = "arn:aws:iam::777788889999:user/ann"
	doc := Document{}.With(wide).With(other)
	got := doc.With(team)
	want := Document{}.With(team).With(other)
	if len(got.Statement) != len(want.Statement) {
		t.Errorf("got\n%s\nwant the statements of\n%s", got, want)
	}
	for _, s := range want.Statement {
		found := false
		for _, g := range got.Statement {
			found = found || g.Equal(s)
		}
		if !found {
			t.Errorf("missing is\n%s\nin\n%s", s, got)
		}
	}
}

func TestWithKeepsAStricterDeny(t *testing.T) {
	stricter := parse(t, `{"Statement": {"Sid": "S3shareTLSOnly", "Effect": "Deny", "Principal": "*", "Action": "s3:*",
		"Resource": "*", "Condition": {"NumericLessThan": {"s3:TlsVersion": "1.3"}}}}`)
	if got := stricter.With(team).Statement[0]; !got.Equal(stricter.Statement[0]) {
		t.Errorf("it became\n%s", got)
	}
}

func TestWithSaysNothingTwice(t *testing.T) {
	doc := Document{}.With(team)
	for i := range doc.Statement {
		doc.Statement[i].Sid = "" // now they are somebody's
	}
	if got := doc.With(team); !got.Equal(doc) {
		t.Errorf("got\n%s", got)
	}
}

func TestEqualKnowsWhatS3Rewrites(t *testing.T) {
	a := parse(t,
		`{"Statement": [{"Effect": "Allow", "Principal": {"AWS": ["444455556666"]}, "Action": ["s3:getobject", "s3:PutObject"], "Resource": ["x"]}]}`)
	b := parse(t,
		`{"Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::444455556666:root"}, "Action": ["s3:PutObject", "s3:GetObject"], "Resource": "x"}]}`)
	if !a.Equal(b) {
		t.Errorf("%s\nis not\n%s", a, b)
	}
}

func TestSidsAreLettersAndDigits(t *testing.T) {
	for _, client := range []string{team.Client, "arn:aws:iam::444455556666:role/a/b",
		"arn:aws:iam:::user/444455556666"} {
		terms := team
		terms.Client, terms.Grant, terms.Ownership = client, Full, Writer
		seen := map[string]bool{}
		all := append(terms.allStatements(), missingStatement("b", client, []string{GetObject},
			nil), missingStatement("b", client, []string{PutObject}, nil))
		for _, s := range all {
			for _, r := range s.Sid {
				if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
					continue
				}
				t.Errorf("the Sid %q has a %q", s.Sid, r)
			}
			if seen[s.Sid] || !s.ours() {
				t.Errorf("the Sid %q is there twice, or not ours", s.Sid)
			}
			seen[s.Sid] = true
		}
	}
}

func TestMissing(t *testing.T) {
	got := missingStatement("team-exchange", "arn:aws:iam::444455556666:root",
		[]string{PutObject, ListBucket}, []string{"Delivery/", "odd*name"})
	same(t, mustJSON(t, got), []byte(`{"Sid": "`+got.Sid+`", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::444455556666:root"},
		"Action": ["s3:ListBucket", "s3:PutObject"],
		"Resource": ["arn:aws:s3:::team-exchange", "arn:aws:s3:::team-exchange/Delivery/*", "arn:aws:s3:::team-exchange/odd${*}name/*"]}`))
}

func mustJSON(t *testing.T, s Statement) []byte {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
