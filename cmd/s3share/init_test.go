package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/testhome"
)

// setUp is a bucket before init comes, and what init is told.
type setUp struct {
	name   string
	exists bool
	before map[string]string // settings
	args   []string
}

const (
	teamKey      = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	foreignRules = `<LifecycleConfiguration><Rule><ID>theirs</ID><Status>Enabled</Status><Filter><Prefix>logs/</Prefix></Filter><Expiration><Days>30</Days></Expiration></Rule>` +
		`<Rule><ID>old</ID><Status>Disabled</Status><Prefix>tmp/</Prefix><AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule></LifecycleConfiguration>`
	foreignPolicy = `{"Version": "2012-10-17", "Id": "theirs", "Statement": [
		{"Sid": "Logs", "Effect": "Allow", "Principal": {"Service": "logging.s3.amazonaws.com"}, "Action": "s3:PutObject", "Resource": "arn:aws:s3:::team-exchange/logs/*"},
		{"Sid": "Team", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::team-exchange/site/*", "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}}]}`
	publicPolicy = `{"Statement": {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::team-exchange/site/*"}}`
)

func encrypted(rule string) string {
	return "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>" +
		rule + "</Rule></ServerSideEncryptionConfiguration>"
}

func owned(by string) string {
	return "<OwnershipControls><Rule><ObjectOwnership>" + by +
		"</ObjectOwnership></Rule></OwnershipControls>"
}

var setUps = []setUp{
	{name: "init-new"},
	{name: "init-kms", args: []string{"--kms", teamKey, "--versioning", "--grant", "full"}},
	{name: "init-writer", args: []string{"--ownership", "writer", "--grant", "dropbox", "--folder", "In", "--folder", "Out"}},
	{name: "init-adopt", exists: true, args: []string{"--widen"}, before: map[string]string{
		"policy": foreignPolicy, "lifecycle": foreignRules, "ownershipControls": owned("BucketOwnerPreferred"),
		"encryption": encrypted("<SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault><BlockedEncryptionTypes><EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes>"),
	}},
	{name: "init-public", exists: true, args: []string{"--widen"}, before: map[string]string{
		"policy":            publicPolicy,
		"publicAccessBlock": "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls></PublicAccessBlockConfiguration>",
	}},
	{name: "init-stricter", exists: true, args: []string{"--ownership", "writer"},
		before: map[string]string{
			"ownershipControls": owned("BucketOwnerEnforced"),
			"encryption":        encrypted("<SSEAlgorithm>aws:kms:dsse</SSEAlgorithm><KMSMasterKeyID>" + teamKey + "</KMSMasterKeyID></ApplyServerSideEncryptionByDefault>"),
			"lifecycle":         `<LifecycleConfiguration><Rule><ID>x</ID><Status>Enabled</Status><Filter/><AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule></LifecycleConfiguration>`,
		}},
	{name: "init-shared-key", exists: true, args: []string{"--kms", teamKey},
		before: map[string]string{
			"encryption": encrypted("<SSEAlgorithm>aws:kms</SSEAlgorithm></ApplyServerSideEncryptionByDefault><BlockedEncryptionTypes><EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes>"),
		}},
}

func (s setUp) aws(t *testing.T, dir string) *fakeAWS {
	f := newFakeAWS(t, dir)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.exists = s.exists
	for name, text := range s.before {
		f.settings[name] = text
	}
	return f
}

func (s setUp) command(more ...string) []string {
	return append(append([]string{"init", "team-exchange", "--client", "444455556666"}, s.args...),
		more...)
}

// TestInit sets up buckets as they may be found: what is sent is in testdata, and
// the second time nothing is.
func TestInit(t *testing.T) {
	for _, s := range setUps {
		t.Run(s.name, func(t *testing.T) {
			dir := testhome.Home(t)
			f := s.aws(t, dir)
			golden(t, s.name, dir, f.as("OWNER"), s.command("--yes")...)
			goldenText(t, s.name+"-requests", indentXML(t, f.took())+"\n")
			// A grant that is not said again is not changed.
			again := slices.DeleteFunc(s.command("--yes"),
				func(a string) bool { return a == "--grant" || a == "full" || a == "dropbox" })
			out, code := s3share(t, dir, f.as("OWNER"), again...)
			if changed := f.took(); code != hint.ExitOK || changed != "" ||
				!strings.Contains(out, "There is nothing to do.") {
				t.Errorf("the second time it sends\n%s\nand says, with exit status %d,\n%s",
					changed, code, out)
			}
		})
	}
}

// TestInitDescribes prints the same for other tools, and changes nothing.
func TestInitDescribes(t *testing.T) {
	for _, s := range setUps {
		for _, form := range []string{"terraform", "cloudformation", "json"} {
			t.Run(s.name+" "+form, func(t *testing.T) {
				dir := testhome.Home(t)
				f := s.aws(t, dir)
				golden(t, s.name+"-"+form, dir, f.as("OWNER"), s.command("--"+form)...)
				if changed := f.took(); changed != "" {
					t.Errorf("it sends\n%s", changed)
				}
				if _, err := os.Stat(filepath.Join(dir, ".config")); err == nil {
					t.Error("the config file was written")
				}
				if out, _ := s3share(t, dir, f.as("OWNER"),
					s.command("--"+form)...); form != "terraform" && !json.Valid([]byte(out)) {
					t.Errorf("that is not JSON:\n%s", out)
				}
			})
		}
	}
}

// TestInitRefuses is about buckets that cannot be set up.
func TestInitRefuses(t *testing.T) {
	theirs := setUp{exists: true, before: map[string]string{"policy": foreignPolicy}}
	for _, tt := range []struct {
		name  string
		setUp setUp
		spoil func(*fakeAWS)
		args  []string
	}{
		{"init-not-ours", theirs, func(f *fakeAWS) { f.owner = "999999999999" }, theirs.command("--yes")},
		{"init-nobody-to-ask", setUp{}, func(*fakeAWS) {}, setUp{}.command()},
		{"init-public-refused", setUp{exists: true, before: map[string]string{
			"policy":            publicPolicy,
			"publicAccessBlock": "<PublicAccessBlockConfiguration><BlockPublicPolicy>true</BlockPublicPolicy></PublicAccessBlockConfiguration>",
		}}, func(*fakeAWS) {}, setUp{}.command("--yes")},
		{"init-ourselves", setUp{}, func(*fakeAWS) {}, []string{"init", "team-exchange", "--client", "111122223333", "--yes"}},
		{"init-key-elsewhere", setUp{}, func(*fakeAWS) {}, setUp{}.command("--kms", strings.Replace(teamKey, "eu-central-1", "us-west-2", 1), "--yes")},
		{"init-too-large", setUp{exists: true, before: map[string]string{
			"policy": strings.Replace(foreignPolicy, "theirs", strings.Repeat("x", 20<<10), 1)}}, func(*fakeAWS) {}, setUp{}.command("--yes")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := testhome.Home(t)
			f := tt.setUp.aws(t, dir)
			f.mu.Lock()
			tt.spoil(f)
			f.mu.Unlock()
			golden(t, tt.name, dir, f.as("OWNER"), tt.args...)
			if changed := f.took(); changed != "" {
				t.Errorf("it sends\n%s", changed)
			}
		})
	}
}

// TestInitPrintsTheLineThoughItIsNotWrittenDown sets a bucket up where the config file cannot be
// written: the client's line is printed all the same.
func TestInitPrintsTheLineThoughItIsNotWrittenDown(t *testing.T) {
	dir := testhome.Home(t)
	f := setUp{}.aws(t, dir)
	golden(t, "init-not-written", dir, append(f.as("OWNER"), "XDG_CONFIG_HOME=/proc"),
		setUp{}.command("--yes")...)
}

// TestJoin has the client take the line that init printed.
func TestJoin(t *testing.T) {
	dir := testhome.Home(t)
	f := setUp{}.aws(t, dir)
	out, code := s3share(t, dir, f.as("OWNER"), setUp{}.command("--yes")...)
	if code != hint.ExitOK {
		t.Fatal(out)
	}
	f.took()
	word := out[strings.LastIndex(out, "s3share:"):]
	line := strings.TrimSpace(word)
	theirs := testhome.Home(t)
	golden(t, "join", theirs, f.as("CLIENT"), "join", line)
	if changed := f.took(); changed != "" {
		t.Errorf("joining changes\n%s", changed)
	}
	text, err := os.ReadFile(filepath.Join(theirs, ".config/s3share/config.toml"))
	if err != nil {
		t.Fatal(err)
	}
	goldenText(t, "join-config", string(text))
	golden(t, "join-again", theirs, f.as("CLIENT"), "join", line)
	f.mu.Lock()
	policy := f.settings["policy"]
	f.settings["policy"] = ""
	f.mu.Unlock()
	golden(t, "join-no-access", testhome.Home(t), f.as("CLIENT"), "join", line)
	f.mu.Lock()
	f.settings["policy"] = policy
	f.mu.Unlock()
	f.mu.Lock()
	f.owner = "999999999999" // who lets everybody in
	f.mu.Unlock()
	golden(t, "join-changed-hands", testhome.Home(t), f.as("CLIENT"), "join", line)
}

// TestPagesOfSettingUp compares what the README and the pages for beginners show of init, join and
// policy with what these say.
func TestPagesOfSettingUp(t *testing.T) {
	iam, _ := s3share(t, testhome.Home(t), nil, "policy", "team-exchange", "--iam")
	for _, c := range []struct{ page, command, golden, said string }{
		{page: "README.md", command: "owner$ s3share init ", golden: "init-new"},
		{page: "README.md", command: "client$ s3share join ", golden: "join"},
		{page: "docs/start-owner.md", command: "$ s3share init ", golden: "init-new"},
		{page: "docs/start-client.md", command: "$ s3share join ", golden: "join"},
		{page: "docs/client-admin.md", command: "$ s3share policy ", said: iam},
	} {
		text, err := os.ReadFile(filepath.Join("../..", c.page))
		if err != nil {
			t.Fatal(err)
		}
		_, shown, found := strings.Cut(string(text), "\n"+c.command)
		shown, _, closed := strings.Cut(shown, "```")
		shown, _, _ = strings.Cut(shown, "\nclient$ ")
		rest := c.said
		if c.golden != "" {
			said, err := os.ReadFile(filepath.Join("testdata", c.golden+".txt"))
			if err != nil {
				t.Fatal(err)
			}
			rest = string(said)
		}
		if !found || !closed {
			t.Fatalf("%s does not show %q", c.page, c.command)
		}
		for _, line := range strings.Split(strings.TrimSpace(shown), "\n")[1:] {
			if line == "..." {
				continue
			}
			_, after, found := strings.Cut(rest, line+"\n")
			if !found {
				t.Errorf("%s shows %q, which is not said there by %q", c.page, line, c.command)
				continue
			}
			rest = after
		}
	}
}

// indentXML shows what was sent one element a line. Policies stay as they are.
func indentXML(t *testing.T, text string) string {
	t.Helper()
	var out strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "<") {
			out.WriteString(line)
			continue
		}
		var b bytes.Buffer
		enc := xml.NewEncoder(&b)
		enc.Indent("  ", "  ")
		for dec := xml.NewDecoder(strings.NewReader(line)); ; {
			token, err := dec.RawToken()
			if err == io.EOF {
				break
			}
			if err == nil {
				err = enc.EncodeToken(xml.CopyToken(token))
			}
			if err != nil {
				t.Fatalf("%v in %s", err, line)
			}
		}
		if err := enc.Close(); err != nil {
			t.Fatal(err)
		}
		out.WriteString("  " + strings.TrimSpace(b.String()) + "\n")
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// TestInitKeepsTheFolders sets an exchange with other folders up again without naming them:
// its folders stay those that the config file has, there and in the client's line.
func TestInitKeepsTheFolders(t *testing.T) {
	dir := testhome.Home(t)
	f := setUp{}.aws(t, dir)
	command := setUp{}.command("--yes")
	if out, code := s3share(t, dir, f.as("OWNER"),
		append(command, "--folder", "In", "--folder", "Out")...); code != hint.ExitOK {
		t.Fatal(out)
	}
	f.took()
	file := filepath.Join(dir, ".config", "s3share", "config.toml")
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	out, code := s3share(t, dir, f.as("OWNER"), append(command, "--grant", "folders")...)
	after, err := os.ReadFile(file)
	if changed := f.took(); code != hint.ExitOK || changed != "" || err != nil ||
		string(after) != string(before) || !strings.Contains(out, "There is nothing to do.") {
		t.Errorf("it ends with %d and says\n%s\nand sends\n%s\nand the config file is, %v,\n%s",
			code, out, changed, err, after)
	}
}
