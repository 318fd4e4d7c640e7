package integration

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"golang.org/x/sys/unix"
)

// canaries are secrets that a program was given: none may come to light in what it says
// or writes.
type canaries struct {
	t       *testing.T
	secrets map[string]string // by what they are
}

// look fails where a text has a secret, as it is or as a part of base64.
func (c canaries) look(where string, text []byte) {
	c.t.Helper()
	for what, secret := range c.secrets {
		if bytes.Contains(text, []byte(secret)) {
			c.t.Errorf("%s has the %s:\n%s", where, what, brief(text))
			continue
		}
		for skip := range 3 { // a secret may begin anywhere in a group of three bytes
			whole := secret[skip:]
			whole = whole[:len(whole)/3*3]
			if bytes.Contains(text, []byte(base64.StdEncoding.EncodeToString([]byte(whole)))) {
				c.t.Errorf("%s has the %s in base64:\n%s", where, what, brief(text))
				break
			}
		}
	}
}

// lookBelow looks into every file below a directory, and at its name. It returns how many
// there are.
func (c canaries) lookBelow(dir string) (files int) {
	c.t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || strings.HasSuffix(path, "/mnt") {
			if d != nil && d.IsDir() && err == nil {
				return fs.SkipDir
			}
			return err
		}
		c.look("the name "+path, []byte(path))
		if !d.Type().IsRegular() {
			return nil
		}
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) { // written just now, and renamed
			return nil
		}
		files++
		c.look(path, text)
		return err
	})
	if err != nil {
		c.t.Error(err)
	}
	return files
}

// askSocket asks everything of the daemon that answers on a socket, and returns what it
// says.
func askSocket(t *testing.T, socket, file string) []byte {
	t.Helper()
	web := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context,
		_, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	defer web.CloseIdleConnections()
	var all bytes.Buffer
	for _, ask := range []struct{ method, path, body string }{
		{"GET", "/status", ""}, {"GET", "/status?check", ""}, {"POST", "/file", `{"path":"` + file + `"}`},
		{"POST", "/wait", `{"path":"` + file + `","timeout":1}`}, {"POST", "/retry", `{}`}, {"POST", "/deliver", `{}`},
		{"POST", "/outcomes", `{"paths":["` + file + `"]}`}, {"POST", "/login", `{}`}, {"POST", "/login", `not JSON`}, {"GET", "/debug/pprof/", ""},
	} {
		req, err := http.NewRequestWithContext(t.Context(), ask.method, "http://s3share"+ask.path,
			strings.NewReader(ask.body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := web.Do(req)
		if err != nil {
			t.Fatalf("%s %s: %v", ask.method, ask.path, err)
		}
		fmt.Fprintf(&all, "%s %s: %s\n", ask.method, ask.path, resp.Status)
		_, _ = io.Copy(&all, resp.Body)
		resp.Body.Close()
	}
	return all.Bytes()
}

// wrongSignature is what AWS answers to one: it shows what it has got, the token among it.
// Source: Amazon S3 API Reference, "Error responses".
func wrongSignature(w http.ResponseWriter, r *http.Request) bool {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("X-Amz-Request-Id", "GATEWAY")
	w.WriteHeader(http.StatusForbidden)
	fmt.Fprintf(w,
		"<Error><Code>SignatureDoesNotMatch</Code><Message>The request signature we calculated does not match the signature you provided.</Message>"+
			"<CanonicalRequest>x-amz-security-token:%s</CanonicalRequest><Token-0>%[1]s</Token-0><RequestId>GATEWAY</RequestId></Error>", r.Header.Get("X-Amz-Security-Token"))
	return true
}

// withoutToken has a gateway take away the session token, which the server does not know,
// and sign anew.
func (g *gateway) withoutToken(a account, region string) {
	forward := g.forward
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	g.forward = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.Clone(r.Context())
		r.Header.Del("X-Amz-Security-Token")
		r.Header.Del("Authorization")
		creds := aws.Credentials{AccessKeyID: a.AccessKeyID, SecretAccessKey: a.SecretAccessKey}
		if err := signer.SignHTTP(r.Context(), creds, r, r.Header.Get("X-Amz-Content-Sha256"), "s3",
			region, time.Now()); err != nil {
			panic(err)
		}
		forward.ServeHTTP(w, r)
	})
}

// TestSecretsAreWrittenNowhere has a mount live through what goes wrong with credentials and
// servers, with every request logged. A secret key, a session token and the passwords of an
// endpoint and of a proxy are in nothing that is said, kept, answered or dumped.
func TestSecretsAreWrittenNowhere(t *testing.T) {
	t.Parallel()
	x, g := newExchange(t, "full").through(t)
	g.withoutToken(x.Client, x.Region)
	m := x.place(t, client, "--verbose")
	m.lifetime = 2 * testPatience
	base := filepath.Dir(m.dir)
	given := t.TempDir() // what has the secrets, and is not s3share's
	password := "canaryPassword" + rand.Text()
	token := "canaryToken" + rand.Text()
	c := canaries{t, map[string]string{"secret key": x.Client.SecretAccessKey,
		"session token": token, "password": password}}

	output := filepath.Join(given, "output")
	give := func(text string) {
		t.Helper()
		if err := errors.Join(os.WriteFile(output+".new", []byte(text), 0o600),
			os.Rename(output+".new", output)); err != nil {
			t.Fatal(err)
		}
	}
	good, err := json.Marshal(map[string]any{"Version": 1, "AccessKeyId": x.Client.AccessKeyID,
		"SecretAccessKey": x.Client.SecretAccessKey, "SessionToken": token})
	if err != nil {
		t.Fatal(err)
	}
	give(string(good))
	config := filepath.Join(given, "config")
	if err := os.WriteFile(config,
		[]byte("[default]\ncredential_process = cat "+output+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m.env = append(m.env, "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_CONFIG_FILE="+config)
	if err := m.start(base); err != nil {
		t.Fatalf("%v\n%s", err, m.log)
	}
	socket := filepath.Join("/run/s3share", socketName(m.dir)) // of root
	if os.Getuid() != 0 {
		socket = filepath.Join(base, "run/s3share", socketName(m.dir))
	}

	// run runs a command, and looks at what it says.
	run := func(what string, args ...string) {
		t.Helper()
		out, _ := m.run(args...)
		c.look(what+": s3share "+strings.Join(args, " "), []byte(out))
	}
	var troubled atomic.Int64
	for i, trouble := range []struct {
		name  string
		serve func(w http.ResponseWriter, r *http.Request) bool
		give  string // what credential_process prints
	}{
		{name: "none"},
		{name: "access denied", serve: func(w http.ResponseWriter, r *http.Request) bool { return refuse(w, r, 403, "AccessDenied") }},
		{name: "a wrong signature", serve: wrongSignature},
		{name: "a dead server", serve: func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }},
		{name: "words before the credentials", serve: wrongSignature, give: "Fetching credentials.\n" + string(good)},
		{name: "credentials cut off", serve: wrongSignature, give: strings.TrimSuffix(string(good), "}")},
		{name: "credentials of another form", serve: wrongSignature, give: strings.Replace(string(good), `"Version":1`, `"Version":"`+password+`"`, 1)},
		{name: "no credentials", serve: wrongSignature, give: `{"Version":1,"SessionToken":"` + token + `"}`},
	} {
		if trouble.give != "" {
			give(trouble.give)
		}
		g.when(func(_ string, w http.ResponseWriter, r *http.Request) bool {
			if trouble.serve == nil {
				return false
			}
			troubled.Add(1)
			return trouble.serve(w, r)
		})
		key := fmt.Sprintf("%sfile-%d", submissions, i)
		if err := os.WriteFile(m.path(key), []byte("content"), 0o644); err != nil {
			t.Logf("%s: %v", trouble.name, err) // S3 is asked whether the name is taken
		}
		if trouble.serve == nil {
			m.awaitDelivered(key)
		}
		commands := [][]string{{"login", m.dir}, {"status"}, {"status", "--json"},
			{"why", m.path(key)}, {"retry", m.dir}, {"wait", "--timeout", "100ms",
				m.dir}, {"doctor", "--json", m.dir}}
		if i < 3 { // what goes on when others fail
			commands = append(commands, []string{"doctor", m.dir}, []string{"repair", m.dir})
		}
		for _, args := range commands {
			run(trouble.name, args...)
		}
		c.look(trouble.name+": the control socket", askSocket(t, socket, key))
		if trouble.serve != nil && troubled.Swap(0) == 0 && trouble.give == "" {
			t.Errorf("%s: nobody has met it", trouble.name)
		}
	}
	give(string(good))
	g.when(nil)

	// A password where none belongs is refused, and not repeated.
	hidden := strings.Replace(x.Endpoint, "://", "://user:"+password+"@", 1)
	file := filepath.Join(given, "s3share.toml")
	if err := os.WriteFile(file, []byte("[exchange.team]\nbucket = \"b\"\nendpoint-url = \""+hidden+
		"\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(base, "other")
	if err := os.Mkdir(other, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"mount", "-f", "--config", file, "team", other}, {"mount", "-f", "--bucket", "b", "-o", "endpoint=" + hidden, other}, {"doctor", "--config", file, "team"}, {"init", "--endpoint-url", hidden, "--bucket", "b", "--client", "c"},
		{"recover", "--config", file, "team"}, {"policy", "--bucket", "b", "--endpoint-url", hidden},
	} {
		out, err := m.run(args...)
		c.look("a password in the endpoint: s3share "+strings.Join(args, " "), []byte(out))
		if err == nil {
			t.Errorf("s3share %q takes an endpoint with a password:\n%s", args, out)
		}
	}
	before := m.env
	m.env = append(m.env, "HTTPS_PROXY=http://user:"+password+"@127.0.0.1:1")
	run("a dead proxy", "doctor", "--bucket", "b", "--region", "eu-central-1")
	m.env = append(before, "AWS_ENDPOINT_URL_S3="+hidden)
	run("a password in the environment", "doctor", "--bucket", x.Bucket, "--region", x.Region)
	m.env = before

	if n := c.lookBelow(base); n < 3 {
		t.Errorf("only %d files were looked at", n)
	}

	// The last words of a process that is ended while it holds the secrets.
	m.done = true
	if err := m.cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	<-m.ended
	if !strings.Contains(m.log.String(), "goroutine ") {
		t.Errorf("no goroutines are dumped:\n%s", brief([]byte(m.log.String())))
	}
	c.lookBelow(base)
	run("a dead mount", "status", "--json")
	run("a dead mount", "unmount", m.dir)
	run("a dead mount", "recover", "--bucket", x.Bucket, "--endpoint-url", x.Endpoint,
		"--region", x.Region, "--state-dir", m.state)
	c.lookBelow(base)
}

// TestNoCoreIsDumped ends a daemon so that the kernel would write its memory to a file, if
// that were allowed.
func TestNoCoreIsDumped(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "full")
	m := x.place(t, client)
	m.cmd.Dir = t.TempDir() // where the file would be
	m.env = append(m.env, "GOTRACEBACK=crash")
	dumps := func(cmd *exec.Cmd) bool {
		return cmd.ProcessState.Sys().(syscall.WaitStatus).CoreDump()
	}
	crash := exec.Command("bash", "-c", "ulimit -c unlimited && kill -ABRT $$")
	crash.Dir = m.cmd.Dir
	if err := crash.Run(); err == nil || !dumps(crash) {
		t.Skipf("no program dumps its memory here: %v", err)
	}
	m.cmd.Args = append([]string{"bash", "-c", `ulimit -c unlimited && exec "$0" "$@"`},
		m.cmd.Args...)
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Fatal(err)
	}
	m.cmd.Path = bash
	if err := m.start(filepath.Dir(m.dir)); err != nil {
		t.Fatalf("%v\n%s", err, m.log)
	}
	m.done = true
	if err := m.cmd.Process.Signal(unix.SIGABRT); err != nil {
		t.Fatal(err)
	}
	<-m.ended
	if status := m.cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() ||
		status.CoreDump() {
		t.Errorf("it ended with %v", m.cmd.ProcessState)
	}
}
