package main

import (
	"strings"
	"testing"

	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/testhome"
)

// putsPolicy begins a request that replaces the policy.
const putsPolicy = "PUT /?policy "

// TestInitAsksBeforeItWidens sets an exchange up again whose client somebody has allowed
// less: --yes alone does not give back what was taken, and nothing at all is changed then.
func TestInitAsksBeforeItWidens(t *testing.T) {
	command := []string{"init", "team-exchange", "--client", "444455556666", "--yes"}
	made, code := s3share(t, testhome.Home(t), nil, "policy", "team-exchange", "--client",
		"444455556666", "--ownership", "writer")
	if code != hint.ExitOK {
		t.Fatal(made)
	}
	for _, tt := range []struct {
		name     string
		old, new string
		more     string // what is told
	}{
		{"a condition", `"s3:GetObject",`, `"s3:GetObject", "Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}},`,
			"may s3:GetObject on arn:aws:s3:::team-exchange/Submissions/*, also where the condition"},
		{"a narrower resource", `"arn:aws:s3:::team-exchange/Delivery/*"`, `"arn:aws:s3:::team-exchange/Delivery/inbox/*"`,
			"may s3:PutObject, s3:AbortMultipartUpload, s3:ListMultipartUploadParts on arn:aws:s3:::team-exchange/Delivery/*"},
		{"an action less", `"s3:ListBucket",`, ``, "may s3:ListBucket on"},
		{"a role instead of the account", `"AWS": "arn:aws:iam::444455556666:root"`, `"AWS": "arn:aws:iam::444455556666:role/delivery"`, "444455556666:root may"},
		{"a Deny of earlier versions", `"Null": {
          "s3:x-amz-acl": "false"
        },`, ``, `less is refused than by the statement "S3shareMustGrantOwner444455556666" now`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			policy := strings.ReplaceAll(made, tt.old, tt.new)
			if policy == made {
				t.Fatalf("there is no %s in\n%s", tt.old, made)
			}
			dir := testhome.Home(t)
			f := setUp{exists: true, before: map[string]string{"policy": policy,
				"ownershipControls": owned("ObjectWriter")}}.aws(t, dir)
			asked := append(command[:len(command):len(command)], "--grant", "folders",
				"--ownership", "writer")
			for _, how := range [][]string{asked, append(asked, "--json"),
				append(asked, "--terraform"), append(asked, "--cloudformation")} {
				out, code := s3share(t, dir, f.as("OWNER"), how...)
				if changed := f.took(); code != hint.ExitFailed || changed != "" ||
					!strings.Contains(out, "--widen") || !strings.Contains(out, tt.more) {
					t.Errorf("%q ends with %d and says\n%s\nand sends\n%s\nwant it to say %q",
						how, code, out, changed, tt.more)
				}
			}
			// What nobody asks for stays as it is, and the rest is done.
			out, code := s3share(t, dir,
				f.as("OWNER"), append(command, "--ownership", "writer", "--versioning")...)
			if changed := f.took(); tt.name != "a Deny of earlier versions" &&
				(code != hint.ExitOK || strings.Contains(changed, putsPolicy) ||
					!strings.Contains(changed, "Versioning")) {
				t.Errorf("without --grant it ends with %d and says\n%s\nand sends\n%s",
					code, out, changed)
			}
			out, code = s3share(t, dir, f.as("OWNER"), append(asked, "--widen")...)
			if changed := f.took(); code != hint.ExitOK || !strings.Contains(changed, putsPolicy) {
				t.Errorf("with --widen it ends with %d and says\n%s\nand sends\n%s",
					code, out, changed)
			}
		})
	}
}

// TestInitWidensNoClientUnderAnotherName lets a client in whom statements of somebody else
// let in already, under another name, or whose grant is to be a wider one: --yes alone does
// not agree to what it could do in addition, which is shown.
func TestInitWidensNoClientUnderAnotherName(t *testing.T) {
	grant := func(flags ...string) string {
		out, code := s3share(t, testhome.Home(t),
			nil, append([]string{"policy", "team-exchange"}, flags...)...)
		if code != hint.ExitOK {
			t.Fatal(out)
		}
		return out
	}
	narrow := func(principal, condition string) string {
		return policyOf(statement("Allow", principal, `"s3:GetObject"`,
			`"arn:aws:s3:::team-exchange/Submissions/q1/*"`, `"Condition": {`+condition+`}`))
	}
	const office = `"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}`
	for _, tt := range []struct {
		name, policy string
		args         []string
	}{
		{"a role of an account", narrow(partner, office), []string{"--client", "arn:aws:iam::444455556666:role/delivery", "--grant", "full"}},
		{"the account of a role", narrow(`{"AWS": "arn:aws:iam::444455556666:role/delivery"}`, office), []string{"--client", "444455556666"}},
		{"an account among everybody", narrow(anybody, `"StringEquals": {"aws:PrincipalAccount": "444455556666"}`), []string{"--client", "444455556666"}},
		{"a role of an account that s3share let in", grant("--client", "444455556666", "--grant", "dropbox"), []string{"--client", "arn:aws:iam::444455556666:role/delivery"}},
		{"a wider grant", grant("--client", "444455556666"), []string{"--client", "444455556666", "--grant", "full"}},
		{"the widest grant", grant("--client", "444455556666", "--grant", "dropbox"), []string{"--client", "444455556666", "--grant", "full"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := testhome.Home(t)
			f := setUp{exists: true, before: map[string]string{"policy": tt.policy}}.aws(t, dir)
			command := append([]string{"init", "team-exchange"}, tt.args...)
			for _, how := range []string{"--yes", "--terraform", "--cloudformation"} {
				out, code := s3share(t, dir, f.as("OWNER"), append(command, how)...)
				if changed := f.took(); code != hint.ExitFailed || changed != "" ||
					!strings.Contains(out, "--widen") {
					t.Errorf("with %s it ends with %d and says\n%s\nand sends\n%s",
						how, code, out, changed)
				}
			}
			if out, code := s3share(t, dir, f.as("OWNER"),
				append(command, "--dry-run")...); code != hint.ExitOK ||
				!strings.Contains(out, "This allows more than now:\n") {
				t.Errorf("--dry-run ends with %d and says\n%s", code, out)
			}
			out, code := s3share(t, dir, f.as("OWNER"), append(command, "--yes", "--widen")...)
			if changed := f.took(); code != hint.ExitOK || !strings.Contains(changed, putsPolicy) {
				t.Errorf("with --widen it ends with %d and says\n%s\nand sends\n%s",
					code, out, changed)
			}
		})
	}
}

// TestInitRemove takes back what a client was let do: its statements go, and what others
// have written stays and is told.
func TestInitRemove(t *testing.T) {
	dir := testhome.Home(t)
	f := setUp{exists: true, before: map[string]string{"policy": foreignPolicy}}.aws(t, dir)
	for _, client := range []string{"444455556666",
		"arn:aws:iam::444455556666:role/delivery", "777788889999"} {
		if out, code := s3share(t, dir, f.as("OWNER"), "init", "team-exchange", "--client",
			client, "--yes", "--widen"); code != hint.ExitOK {
			t.Fatal(out)
		}
	}
	f.took()
	remove := []string{"init", "team-exchange", "--remove", "444455556666"}
	golden(t, "init-remove-look", dir, f.as("OWNER"), append(remove, "--dry-run")...)
	if changed := f.took(); changed != "" {
		t.Errorf("--dry-run sends\n%s", changed)
	}
	golden(t, "init-remove", dir, f.as("OWNER"), append(remove, "--yes")...)
	changed := f.took()
	if !strings.HasPrefix(changed, putsPolicy) || strings.Contains(changed, "444455556666") ||
		!strings.Contains(changed, "777788889999") || !strings.Contains(changed, "Team") {
		t.Errorf("it sends\n%s", changed)
	}
	golden(t, "init-remove-again", dir, f.as("OWNER"), append(remove, "--yes")...)
	golden(t, "init-remove-misuse", dir,
		f.as("OWNER"), append(remove, "--client", "777788889999")...)
	if changed := f.took(); changed != "" {
		t.Errorf("the second time it sends\n%s", changed)
	}
}
