package integration

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRenewedCredentials pauses a mount whose keys S3 refuses. They are renewed in
// the credentials file, first wrongly, then well: what waits is delivered without a
// remount, and one notice was made of it all.
func TestRenewedCredentials(t *testing.T) {
	t.Parallel()
	direct := newExchange(t, "article")
	x, g := direct.through(t)
	m := x.place(t, client)
	file := filepath.Join(filepath.Dir(m.dir), "credentials")
	write := func(id, secret string) {
		t.Helper()
		text := "[default]\naws_access_key_id = " +
			id + "\naws_secret_access_key = " + secret + "\n"
		if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	m.env = append(m.env, "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=",
		"AWS_SHARED_CREDENTIALS_FILE="+file)
	write(x.Client.AccessKeyID, x.Client.SecretAccessKey)
	if err := m.start(filepath.Dir(m.dir)); err != nil {
		t.Fatalf("%v\n%s", err, m.log)
	}

	const a, b = delivery + "a.txt", delivery + "b.txt"
	var open []*os.File
	for _, key := range []string{a, b} {
		f, err := os.Create(m.path(key))
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, f)
	}
	g.when(func(_ string, w http.ResponseWriter, r *http.Request) bool {
		return strings.Contains(r.Header.Get("Authorization"),
			"Credential="+x.Client.AccessKeyID+"/") && refuse(w, r, 403, "ExpiredToken")
	})
	for _, f := range open {
		if _, err := f.WriteString("staged meanwhile"); err != nil {
			t.Error(err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	m.awaitSaying("login expired since ", "s3share login "+m.dir)
	if out, err := m.run("login", m.dir); exitCode(t, err) != 1 ||
		!strings.Contains(out, "refused the credentials: expired") {
		t.Errorf("login with the same keys: %v\n%s", err, out)
	}

	write(x.Owner.AccessKeyID, "wrong")
	m.awaitSaying("the secret key is not the access key's")
	if out, err := m.run("why", m.path(a)); err != nil ||
		!containsAll(out, []string{"SignatureDoesNotMatch", "s3share login"}) {
		t.Errorf("why: %v\n%s", err, out)
	}
	if direct.head(a) != nil {
		t.Error("it was delivered with keys that are refused")
	}

	write(x.Owner.AccessKeyID, x.Owner.SecretAccessKey)
	m.awaitDelivered(a) // by itself
	m.awaitDelivered(b)
	// A delivery meets the refusal first, or another request does.
	for _, said := range []string{"deliveries wait", "S3 cannot be reached"} {
		if n := strings.Count(m.log.String(), said); n > 1 {
			t.Errorf("it was told %d times: %s", n, said)
		}
	}
	if !containsAny(m.log.String(), []string{"deliveries wait", "S3 cannot be reached"}) {
		t.Error("it was not told that deliveries wait")
	}
	if out, err := m.run("login", m.dir); err != nil || !strings.Contains(out, "logged in to") {
		t.Errorf("login with good keys: %v\n%s", err, out)
	}
}

// awaitSaying waits until status says all of this.
func (m *mount) awaitSaying(parts ...string) {
	m.t.Helper()
	var out string
	defer func() {
		if m.t.Failed() {
			m.t.Logf("status says\n%s", out)
		}
	}()
	await(m.t, "status to say "+strings.Join(parts, " and "), func() bool {
		var err error
		out, err = m.run("status", m.dir)
		return err == nil && containsAll(out, parts)
	})
}
