package integration

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// readme shows how an exchange is set up; its commands are run as a test.
const readme = "../README.md"

// typed is a command that one party types in the README, and the lines it shows.
type typed struct {
	by      party
	command string
	shows   []string
}

// readTyped reads the commands of the README's section on setting up.
func readTyped(t *testing.T) (all []typed) {
	t.Helper()
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Set up an exchange\n")
	section, _, _ = strings.Cut(section, "\n## ")
	inside := false
	for line := range strings.Lines(section) {
		line = strings.TrimRight(line, "\n")
		who, command, is := strings.Cut(line, "$ ")
		switch {
		case strings.HasPrefix(line, "```"):
			inside = line == "```console"
		case inside && is && (who == string(owner) || who == string(client)):
			all = append(all, typed{by: party(who), command: command})
		case inside && len(all) > 0:
			last := &all[len(all)-1]
			last.shows = append(last.shows, line)
		}
	}
	return all
}

// desk is where a party types: a home, and credentials.
type desk struct {
	home string
	env  []string
}

func newDesk(t *testing.T, x *exchange, p party) *desk {
	t.Helper()
	home, err := os.MkdirTemp("", "s3d-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(home); err != nil {
			t.Error(err)
		}
	})
	run := filepath.Join(home, "run")
	if err := os.Mkdir(run, 0o700); err != nil {
		t.Fatal(err)
	}
	a := x.account(p)
	d := &desk{home, append(append(os.Environ(), x.reach()...),
		"AWS_ACCESS_KEY_ID="+a.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+a.SecretAccessKey, "AWS_SESSION_TOKEN=",
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_EC2_METADATA_DISABLED=true", "AWS_PROFILE=",
		"AWS_REGION="+x.Region, "HOME="+home, "XDG_RUNTIME_DIR="+run, "XDG_CONFIG_HOME=", "XDG_STATE_HOME=", "XDG_CACHE_HOME=",
		"PATH="+filepath.Dir(s3shareBin)+":"+os.Getenv("PATH"),
	)}
	// Only the owner has to be told where the server is: the client gets it with the line.
	if p == owner && x.AWS == nil {
		d.env = append(d.env, "S3SHARE_ENDPOINT_URL="+x.Endpoint)
	}
	return d
}

// types runs a command in the party's home, and returns what it shows.
func (d *desk) types(t *testing.T, command string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", command)
	cmd.Dir, cmd.Env = d.home, d.env
	cmd.WaitDelay = 5 * time.Second
	// Not a pipe: the daemon may have its other end for longer than the command runs.
	said, err := os.CreateTemp(d.home, "said-")
	if err != nil {
		t.Fatal(err)
	}
	defer said.Close()
	cmd.Stdout, cmd.Stderr = said, said
	err = cmd.Run()
	out, readErr := os.ReadFile(said.Name())
	if readErr != nil {
		t.Fatal(readErr)
	}
	return string(out), err
}

// unmountLater undoes what the party has mounted on ~/exchange when the test ends.
func (d *desk) unmountLater(t *testing.T) {
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), testPatience)
		defer cancel()
		cmd := exec.CommandContext(ctx, s3shareBin, "unmount", "--timeout", patience.String(),
			filepath.Join(d.home, "exchange"))
		cmd.Env = d.env
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("unmount: %v\n%s", err, out)
			_ = exec.Command("fusermount3", "-uz", filepath.Join(d.home, "exchange")).Run()
		}
	})
}

// newPlace is an exchange that is yet to be made.
func newPlace(t *testing.T) *exchange {
	t.Helper()
	l := server
	l.Bucket = "t-" + strings.ToLower(rand.Text()[:16])
	return exchangeOf(t, l)
}

// clientName is how the client is named to init.
func clientName(x *exchange) string {
	if x.onRGW() {
		return "arn:aws:iam:::user/" + x.Client.AccountID
	}
	return x.Client.AccountID
}

// TestSetUp types what the README shows: from nothing to a file exchanged, by four
// commands of both parties together.
func TestSetUp(t *testing.T) {
	t.Parallel()
	needFuse(t)
	needTools(t, "bash")
	all := readTyped(t)
	if len(all) != 4 {
		t.Fatalf("the README shows %d commands, want 4", len(all))
	}
	x := newPlace(t)
	desks := map[party]*desk{owner: newDesk(t, x, owner), client: newDesk(t, x, client)}
	report := []byte("quarter,units\nQ3,150\n")
	if err := os.WriteFile(filepath.Join(desks[client].home, "q3.csv"), report, 0o644); err != nil {
		t.Fatal(err)
	}
	invitation := regexp.MustCompile(`s3share:[^ \n]+`)
	invited := ""
	for i, c := range all {
		d := desks[c.by]
		command := invitation.ReplaceAllString(c.command, invited)
		command = strings.ReplaceAll(strings.ReplaceAll(command, "team-exchange", x.Bucket),
			"--client 444455556666", "--client "+clientName(x))
		out, err := d.types(t, command)
		if err != nil && i != 3 {
			t.Fatalf("%s$ %s\n%s%v", c.by, command, out, err)
		}
		switch i {
		case 0:
			invited = invitation.FindString(out)
			fallthrough
		case 1:
			d.unmountLater(t)
			for _, want := range c.shows {
				if strings.HasPrefix(want, "  Submissions/") ||
					strings.HasPrefix(want, "  Delivery/") {
					if !strings.Contains(out, want+"\n") {
						t.Errorf("%s$ %s\n%s\nwant %q in it", c.by, command, out, want)
					}
				}
			}
		case 3:
			want := strings.Join(c.shows, "\n") + "\n"
			await(t, "the owner to see the file",
				func() bool { out, _ := d.types(t, command); return out == want })
		}
	}
	if !bytes.Equal([]byte(strings.Join(all[3].shows, "\n")+"\n"), report) {
		t.Errorf("the README shows another file: %q", all[3].shows)
	}
}

// TestSetUpAgain lets a client in to a bucket whose policy lets another one in, and
// then in on other terms: what is of others stays, and the second time nothing is
// to be done.
func TestSetUpAgain(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "article") // whose policy has statements of others
	principal := "arn:aws:iam::" + x.Third.AccountID + ":root"
	if x.onRGW() {
		principal = "arn:aws:iam:::user/" + x.Third.AccountID
	}
	before := statements(t, x)
	d := newDesk(t, x, owner)
	for _, grant := range []string{"dropbox", "full", "folders"} {
		command := "s3share init " + x.Bucket + " --yes --widen --client " +
			principal + " --grant " + grant
		if out, err := d.types(t, command); err != nil {
			t.Fatalf("%s\n%s%v", command, out, err)
		}
		after := statements(t, x)
		for _, s := range before {
			if !slices.Contains(after, s) {
				t.Errorf("%s: gone is\n%s", grant, s)
			}
		}
		if len(after) <= len(before) {
			t.Errorf("%s: there are %d statements, and were %d", grant, len(after), len(before))
		}
		out, err := d.types(t, command)
		if err != nil || !strings.Contains(out, "There is nothing to do.") {
			t.Errorf("%s, the second time: %v\n%s", grant, err, out)
		}
	}
	// The last terms hold, and no earlier ones.
	if _, err := x.tryPut(third, delivery+"file", []byte("x"), true); err != nil {
		t.Errorf("the new client may not deliver: %v", err)
	}
	if _, err := x.tryPut(third, submissions+"file", []byte("x"), true); status(err) != 403 {
		t.Errorf("the new client puts into %s: %v, want 403", submissions, err)
	}
	if _, err := x.tryPut(client, submissions+"file", []byte("x"), true); err != nil {
		t.Errorf("the old client may not put any more: %v", err)
	}
}

// TestSetUpAgainWhereItIsMounted runs init and join once more where the exchange is mounted
// already: that is no error, and the client's line is printed. Another exchange does not go
// on the same directory.
func TestSetUpAgainWhereItIsMounted(t *testing.T) {
	t.Parallel()
	needFuse(t)
	needTools(t, "bash")
	x := newPlace(t)
	o, c := newDesk(t, x, owner), newDesk(t, x, client)
	invitation := regexp.MustCompile(`s3share:[^ \n]+`)
	make := "s3share init " + x.Bucket + " exchange --yes --client " + clientName(x)
	said, err := o.types(t, make)
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	o.unmountLater(t)
	join := "s3share join " + invitation.FindString(said) + " exchange"
	if said, err := c.types(t, join); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	c.unmountLater(t)
	const already = "It is mounted on exchange already."
	if said, err := o.types(t, make); err != nil || !strings.Contains(said, already) ||
		invitation.FindString(said) == "" {
		t.Errorf("init, run again, ends with %v and says\n%s", err, said)
	}
	if said, err := c.types(t, join); err != nil || !strings.Contains(said, already) {
		t.Errorf("join, run again, ends with %v and says\n%s", err, said)
	}
	if said, err := c.types(t, strings.TrimSuffix(join, " exchange")); err != nil ||
		!strings.Contains(said, "/exchange already.") {
		t.Errorf("join without a directory ends with %v and says\n%s", err, said)
	}
	if said, err := o.types(t, make+" --name other"); err == nil ||
		!strings.Contains(said, "is mounted there already") || invitation.FindString(said) == "" {
		t.Errorf("init of another exchange ends with %v and says\n%s", err, said)
	}
	if said, err := o.types(t, make+" --dry-run"); err != nil || invitation.FindString(said) == "" {
		t.Errorf("init --dry-run ends with %v and does not say what the client runs:\n%s",
			err, said)
	}
}

// statements are the bucket's, each in one form of writing.
func statements(t *testing.T, x *exchange) (all []string) {
	t.Helper()
	out, err := x.api[owner].GetBucketPolicy(t.Context(),
		&s3.GetBucketPolicyInput{Bucket: &x.Bucket})
	if err != nil {
		t.Fatal(err)
	}
	var doc struct{ Statement []map[string]any }
	if err := json.Unmarshal([]byte(aws.ToString(out.Policy)), &doc); err != nil {
		t.Fatal(err)
	}
	for _, s := range doc.Statement {
		text, err := json.Marshal(s) // its names sorted
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(text))
	}
	return all
}

// TestJoinSurvivesOddAnswers has a server answer each kind of probe as the probe does not
// expect, as AWS may for a bucket with Object Lock: that tells nothing, and join goes on.
func TestJoinSurvivesOddAnswers(t *testing.T) {
	t.Parallel()
	x, g := newPlace(t).through(t)
	out, err := newDesk(t, x, owner).types(t,
		"s3share init "+x.Bucket+" --yes --client "+clientName(x))
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	line := regexp.MustCompile(`s3share:[^ \n]+`).FindString(out)
	for _, op := range []string{"ListObjectsV2", "GetObject",
		"UploadPart", "CreateMultipartUpload", "HeadObject"} {
		for _, odd := range []struct {
			status int
			code   string
		}{{400, "InvalidRequest"}, {405, "MethodNotAllowed"}, {409, "InvalidBucketState"},
			{501, "NotImplemented"}} {
			answering(odd.status, odd.code, "odd", op)(x, g)
			d := newDesk(t, x, client)
			if out, err := d.types(t, "s3share join "+line); err != nil ||
				!strings.Contains(out, "The exchange "+strconv.Quote(x.Bucket)+" is in") {
				t.Errorf("%s answers %d %s: %v\n%s", op, odd.status, odd.code, err, out)
			}
		}
	}
}

// TestJoinRefused has a third account take the client's line.
func TestJoinRefused(t *testing.T) {
	t.Parallel()
	x := newPlace(t)
	out, err := newDesk(t, x, owner).types(t,
		"s3share init "+x.Bucket+" --yes --client "+clientName(x))
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	line := regexp.MustCompile(`s3share:[^ \n]+`).FindString(out)
	d := newDesk(t, x, third)
	if out, err := d.types(t, "s3share join "+line); err == nil ||
		!strings.Contains(out, "does not let this account in") {
		t.Errorf("it joins: %v\n%s", err, out)
	}
	if _, err := os.Stat(filepath.Join(d.home, ".config")); err == nil {
		t.Error("the config file was written")
	}
}

// TestASpoofedClientIsTakenBack lets in a client, whose keys are stolen then: they reach
// nothing but the two folders and the bucket's names, and nothing at all once the owner has
// removed the client, of whom the whole policy was. What was delivered stays, and the client
// can be let in again.
func TestASpoofedClientIsTakenBack(t *testing.T) {
	t.Parallel()
	needTools(t, "bash")
	x := newPlace(t)
	d := newDesk(t, x, owner)
	letIn := "s3share init " + x.Bucket + " --client " + clientName(x) + " --yes"
	if out, err := d.types(t, letIn); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	x.put(client, delivery+"theirs", []byte("theirs"), true)
	x.put(owner, submissions+"ours", []byte("ours"), true)
	x.put(owner, "Private/secret", []byte("secret"), true)
	thief := x.plainClient(x.Client, 1)
	reaches := func(key string) (all []string) {
		t.Helper()
		for what, do := range map[string]func() error{
			"read": func() error { _, err := x.get(client, key); return err },
			"put":  func() error { _, err := x.tryPut(client, key+"-new", []byte("x"), true); return err },
			"list": func() error {
				_, err := thief.ListObjectsV2(t.Context(),
					&s3.ListObjectsV2Input{Bucket: &x.Bucket, Prefix: &key})
				return err
			},
			"policy": func() error {
				_, err := thief.PutBucketPolicy(t.Context(),
					&s3.PutBucketPolicyInput{Bucket: &x.Bucket, Policy: aws.String("{}")})
				return err
			},
		} {
			if err := do(); err == nil {
				all = append(all, what)
			} else if status(err) != http.StatusForbidden {
				t.Errorf("%s of %s: %v, want it refused", what, key, err)
			}
		}
		slices.Sort(all)
		return all
	}
	if got := reaches("Private/secret"); slices.ContainsFunc(got,
		func(what string) bool { return what != "list" }) {
		t.Errorf("outside the folders the client can %s", got)
	}
	if got := reaches(submissions + "ours"); !slices.Contains(got, "read") {
		t.Errorf("inside the folders the client can only %s", got)
	}
	remove := "s3share init " + x.Bucket + " --remove " + clientName(x) + " --yes"
	for range 2 { // nothing is left to be done the second time
		if out, err := d.types(t, remove); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	for _, key := range []string{delivery + "theirs", submissions + "ours", "Private/secret"} {
		if got := reaches(key); len(got) > 0 {
			t.Errorf("a client that was removed can %s %s", got, key)
		}
	}
	if got, err := x.get(owner, delivery+"theirs"); err != nil || string(got) != "theirs" {
		t.Errorf("what was delivered is %q, %v", got, err)
	}
	if out, err := d.types(t, letIn); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got, err := x.get(client, submissions+"ours"); err != nil || string(got) != "ours" {
		t.Errorf("a client that is let in again reads %q, %v", got, err)
	}
}
