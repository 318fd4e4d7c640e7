package main

import (
	"os"
	"strings"
	"testing"

	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/testhome"
)

func TestPolicyOfGrants(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
	}{
		{"policy-dropbox", []string{"--client", "444455556666", "--grant", "dropbox"}},
		{"policy-folders", []string{"--client", "444455556666"}},
		{"policy-article-writer", []string{"--client", "444455556666", "--grant", "article", "--ownership", "writer"}},
		{"policy-full-preferred", []string{"--client", "arn:aws:iam::444455556666:role/a", "--grant", "full", "--ownership", "preferred", "--folder", "In", "--folder", "Out"}},
		{"policy-elsewhere", []string{"--client", "arn:aws:iam:::user/444455556666", "--grant", "article", "--endpoint-url", "http://127.0.0.1:1"}},
		{"policy-iam", []string{"--iam", "--region", "cn-north-1"}},
		{"policy-iam-key", []string{"--iam", "--grant", "full", "--ownership", "writer", "--client", "arn:aws:iam::444455556666:role/a", "--kms", teamKey}},
		{"policy-iam-elsewhere", []string{"--iam", "--endpoint-url", "http://127.0.0.1:1"}},
		{"policy-china", []string{"--client", "444455556666", "--region", "cn-north-1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			golden(t, tt.name, testhome.Home(t),
				nil, append([]string{"policy", "team-exchange"}, tt.args...)...)
		})
	}
}

// TestPolicyLooksAtItsOwn: what policy prints, --check finds to be what the grant
// says, and nothing worse than a note.
func TestPolicyLooksAtItsOwn(t *testing.T) {
	for _, tt := range []struct{ grant, submissions, delivery string }{
		{"dropbox", "list", "list, put"},
		{"folders", "list, get", "list, get, put"},
		{"article", "list, get, put", "list, get, put"},
		{"full", "list, get, put, delete", "list, get, put, delete"},
	} {
		for ownership, region := range map[string]string{"enforced": "us-east-1",
			"preferred": "eusc-de-east-1", "writer": "cn-north-1"} {
			dir := testhome.Home(t)
			text, code := s3share(t, dir, nil, "policy", "b", "--client", "444455556666",
				"--region", region, "--grant", tt.grant, "--ownership", ownership)
			if code != hint.ExitOK {
				t.Fatalf("policy: %s", text)
			}
			testhome.Write(t, dir, "policy.json", text)
			out, code := s3share(t, dir, nil, "policy", "--check", "policy.json",
				"--ownership", ownership)
			want := "  Submissions/  " + tt.submissions + "\n  Delivery/     " + tt.delivery + "\n"
			if code != hint.ExitOK || !strings.Contains(out, want) {
				t.Errorf("%s, %s: exit status %d and\n%s\nwant 0 and\n%s", tt.grant,
					ownership, code, out, want)
			}
		}
	}
}

// The article's own policy, and what may be wrong with one.
const (
	articlePolicy = `{"Version": "2012-10-17", "Statement": [
		{"Sid": "List", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::444455556666:root"}, "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::team-exchange"},
		{"Sid": "Files", "Effect": "Allow", "Principal": {"AWS": "444455556666"}, "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "arn:aws:s3:::team-exchange/*"}]}`
	widePolicy = `{"Statement": [
		{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::team-exchange/*"},
		{"Sid": "All", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::444455556666:root"}, "Action": "s3:*", "Resource": ["arn:aws:s3:::team-exchange", "arn:aws:s3:::team-exchange/*"]},
		{"Sid": "Org", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::team-exchange/*", "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}}]}`
	brokenPolicy = `{"Statement": [
		{"Sid": "Gone", "Effect": "Allow", "Principal": {"AWS": "AIDAQ3EGTHXXXXEXAMPLE"}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::team-exchange/Delivery/*"},
		{"Sid": "A", "Effect": "Permit", "Principal": {"AWS": "444455556666"}, "Action": "s3:PutObject", "Resource": "arn:aws:s3:::team-exchange/Delivery/*"},
		{"Sid": "A", "Effect": "Allow", "Principal": {"AWS": "444455556666"}, "Resource": "arn:aws:s3:::team-exchange/Delivery/*"}]}`
	deniedPolicy = `{"Statement": [
		{"Sid": "Let", "Effect": "Allow", "Principal": {"AWS": "444455556666"}, "Action": ["s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:PutObjectAcl", "s3:AbortMultipartUpload"],
		 "Resource": ["arn:aws:s3:::team-exchange", "arn:aws:s3:::team-exchange/Delivery/*", "arn:aws:s3:::team-exchange/Submissions/*"]},
		{"Sid": "Encrypted", "Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::team-exchange/*", "Condition": {"StringNotEquals": {"s3:x-amz-server-side-encryption": "aws:kms"}}},
		{"Sid": "FromHome", "Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::team-exchange/*", "Condition": {"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}}},
		{"Sid": "TLS", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::team-exchange*", "Condition": {"Bool": {"aws:SecureTransport": false}}}]}`
)

func TestPolicyCheck(t *testing.T) {
	for _, tt := range []struct {
		name, policy string
		args         []string
	}{
		{"check-article", articlePolicy, nil},
		{"check-wide", widePolicy, nil},
		{"check-broken", brokenPolicy, nil},
		{"check-denied", deniedPolicy, nil},
		{"check-json", articlePolicy, []string{"--json"}},
		{"check-client", articlePolicy, []string{"--client", "arn:aws:iam::444455556666:role/delivery"}},
		{"check-stranger", articlePolicy, []string{"--client", "777788889999"}},
		{"check-no-json", "policy", nil},
		{"check-no-bucket", `{"Statement": []}`, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := testhome.Home(t)
			testhome.Write(t, dir, "policy.json", tt.policy)
			golden(t, tt.name, dir, nil,
				append([]string{"policy", "--check", "policy.json"}, tt.args...)...)
		})
	}
}

// TestPageShowsWhatCheckPrints runs the example in docs/access.md.
func TestPageShowsWhatCheckPrints(t *testing.T) {
	page, err := os.ReadFile("../../docs/access.md")
	if err != nil {
		t.Fatal(err)
	}
	const command = "    $ aws s3api get-bucket-policy --bucket team-exchange --query Policy --output text | s3share policy --check -\n"
	_, example, found := strings.Cut(string(page), command)
	if !found {
		t.Fatalf("docs/access.md lacks the example\n%s", command)
	}
	var want strings.Builder
	for line := range strings.Lines(example) {
		text, indented := strings.CutPrefix(line, "    ")
		if !indented && line != "\n" {
			break
		}
		want.WriteString(text)
	}
	dir := testhome.Home(t)
	testhome.Write(t, dir, "policy.json", `{"Statement": [
		{"Sid": "Names", "Effect": "Allow", "Principal": {"AWS": "444455556666"}, "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::team-exchange"},
		{"Sid": "Files", "Effect": "Allow", "Principal": {"AWS": "444455556666"}, "Action": ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"], "Resource": "arn:aws:s3:::team-exchange/*"}]}`)
	got, _ := s3share(t, dir, nil, "policy", "--check", "policy.json")
	if strings.TrimRight(got, "\n") != strings.TrimRight(want.String(), "\n") {
		t.Errorf("policy --check prints\n%s\nand docs/access.md has\n%s", got, want.String())
	}
}
