package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3share/s3share/integration/localbucket/internal/bucket"
)

// asProgram makes the test binary the program itself.
const asProgram = "LOCALBUCKET_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// process is the program running.
type process struct {
	cmd   *exec.Cmd
	stdin io.Closer
	line  bucket.Line
}

// program is the program, about to be run with these arguments.
func program(t *testing.T, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=1", "TMPDIR="+t.TempDir())
	cmd.Stderr = t.Output()
	return cmd
}

// start starts the program and reads its line.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	cmd := program(t, args...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: cmd, stdin: stdin}
	raw, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(raw, &p.line)
	}
	if err != nil {
		t.Fatalf("line %q: %v", raw, err)
	}
	return p
}

// end waits for the program's end, which must be a good one.
func (p *process) end(t *testing.T) {
	t.Helper()
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("program ended with %v", err)
	}
}

// get reads an object as the owner.
func (p *process) get(ctx context.Context, key string) (string, error) {
	out, err := p.line.S3(p.line.Owner).GetObject(ctx,
		&s3.GetObjectInput{Bucket: &p.line.Bucket, Key: &key})
	if err != nil {
		return "", err
	}
	defer out.Body.Close()
	body, err := io.ReadAll(out.Body)
	return string(body), err
}

func (p *process) put(ctx context.Context, key, body string) error {
	_, err := p.line.S3(p.line.Owner).PutObject(ctx, &s3.PutObjectInput{
		Bucket: &p.line.Bucket, Key: &key, Body: strings.NewReader(body),
	})
	return err
}

// TestLife: the program serves until told to stop, in either way, and leaves
// nothing.
func TestLife(t *testing.T) {
	for name, stop := range map[string]func(p *process) error{
		"standard input ends": func(p *process) error { return p.stdin.Close() },
		"SIGTERM":             func(p *process) error { return p.cmd.Process.Signal(syscall.SIGTERM) },
		"SIGINT":              func(p *process) error { return p.cmd.Process.Signal(syscall.SIGINT) },
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, "--bucket", "team")
			if p.line.Bucket != "team" || p.line.Kind != bucket.Local ||
				p.line.Region != "us-east-1" {
				t.Errorf("line = %+v", p.line)
			}
			if err := p.put(t.Context(), "f", "data"); err != nil {
				t.Error(err)
			}
			if got, err := p.get(t.Context(), "f"); got != "data" || err != nil {
				t.Errorf("get = %q, %v", got, err)
			}
			if err := stop(p); err != nil {
				t.Fatal(err)
			}
			p.end(t)
			if left := temporary(t, p.cmd); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

// temporary returns the names in the program's temporary directory.
func temporary(t *testing.T, cmd *exec.Cmd) (names []string) {
	for _, v := range slices.Backward(cmd.Env) { // the last one counts
		if dir, ok := strings.CutPrefix(v, "TMPDIR="); ok {
			entries, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				names = append(names, e.Name())
			}
			return names
		}
	}
	t.Fatal("no TMPDIR")
	return nil
}

// TestEmpty: there is no bucket, and the owner can make one.
func TestEmpty(t *testing.T) {
	p := start(t, "--empty")
	api := p.line.S3(p.line.Owner)
	out, err := api.ListBuckets(t.Context(), &s3.ListBucketsInput{})
	if err != nil || len(out.Buckets) != 0 || p.line.Bucket != "" {
		t.Errorf("there are the buckets %v, %v, and the line names %q", out, err, p.line.Bucket)
	}
	name := "team"
	if _, err := api.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name}); err != nil {
		t.Error(err)
	}
	if err := p.stdin.Close(); err != nil {
		t.Fatal(err)
	}
	p.end(t)
}

// TestDir: a directory that is given is kept, and served again.
func TestDir(t *testing.T) {
	dir := t.TempDir()
	p := start(t, "--dir", dir)
	if err := p.put(t.Context(), "f", "data"); err != nil {
		t.Fatal(err)
	}
	p.stdin.Close()
	p.end(t)

	p = start(t, "--dir", dir, "--policy", "dropbox", "--ownership", "enforced")
	defer p.end(t)
	defer p.stdin.Close()
	if got, err := p.get(t.Context(), "f"); got != "data" || err != nil {
		t.Errorf("get after another start = %q, %v", got, err)
	}
	api := p.line.S3(p.line.Owner)
	out, err := api.GetBucketOwnershipControls(t.Context(),
		&s3.GetBucketOwnershipControlsInput{Bucket: &p.line.Bucket})
	if err != nil || out.OwnershipControls.Rules[0].ObjectOwnership != "BucketOwnerEnforced" {
		t.Errorf("ownership = %+v, %v", out, err)
	}
}

// TestPolicyFile puts the policy of a file on the bucket.
func TestPolicyFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "policy.json")
	doc := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` +
		bucket.Local.Principal(bucket.ThirdID) +
		`"},"Action":"s3:ListBucket","Resource":"arn:aws:s3:::exchange"}]}`
	if err := os.WriteFile(file, []byte(doc), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, "--policy-file", file)
	defer p.end(t)
	defer p.stdin.Close()
	list := func(a bucket.Account) error {
		_, err := p.line.S3(a).ListObjectsV2(t.Context(),
			&s3.ListObjectsV2Input{Bucket: &p.line.Bucket})
		return err
	}
	if err := list(p.line.Third); err != nil {
		t.Errorf("third's list: %v", err)
	}
	if list(p.line.Client) == nil {
		t.Error("the client may list, though the file does not say so")
	}
}

// TestUsage: what cannot be served ends at once, with the exit code that says
// whose fault it is.
func TestUsage(t *testing.T) {
	for _, tt := range []struct {
		args string
		code int
	}{
		{"--listen 0.0.0.0:0", 1},
		{"--listen 192.0.2.1:9000", 1},
		{"--listen [::]:0", 1},
		{"--policy none", 2},
		{"--ownership nobody", 2},
		{"--policy-file /nonexistent", 1},
		{"--bogus", 2},
		{"argument", 2},
		{"setup", 2},
		{"setup --endpoint http://127.0.0.1:1 --principal-style gcp", 2},
		{"--help", 0},
	} {
		cmd := program(t, strings.Fields(tt.args)...)
		out, _ := cmd.Output()
		if code := cmd.ProcessState.ExitCode(); code != tt.code || len(out) > 0 {
			t.Errorf("localbucket %s = exit %d with output %q, want exit %d without",
				tt.args, code, out, tt.code)
		}
		if left := temporary(t, cmd); len(left) > 0 {
			t.Errorf("localbucket %s leaves %q", tt.args, left)
		}
	}
}
