package integration

import (
	"bufio"
	"encoding/json"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestStatus asks for a file, a folder and the whole of a mount while nothing can
// be sent, and watches until all is delivered and the mount is undone.
func TestStatus(t *testing.T) {
	t.Parallel()
	direct := newExchange(t, "article")
	x, g := direct.through(t)
	m := x.mount(client)
	direct.put(owner, submissions+"theirs.txt", []byte("theirs"), false)
	m.awaitName(submissions+"theirs.txt", true)
	g.when(func(op string, w http.ResponseWriter, r *http.Request) bool {
		return op == "PutObject" && refuse(w, r, 403, "AccessDenied")
	})
	m.write(delivery+"a.txt", []byte("a"))
	m.write(submissions+"b.txt", []byte("bb"))
	m.write(delivery+"c.part", []byte("private"))
	m.awaitRest()

	for _, c := range []struct {
		name      string
		has, lack []string
	}{
		{"", []string{"a.txt", "b.txt", "c.part", "private", "blocked", "access denied (s3:PutObject on Delivery/)"}, []string{"theirs"}},
		{"Delivery", []string{"a.txt", "c.part"}, []string{"b.txt"}},
		{delivery + "a.txt", []string{"a.txt"}, []string{"b.txt", "c.part", "is delivered"}},
		{submissions + "theirs.txt", []string{submissions + "theirs.txt is delivered"}, []string{"a.txt"}},
	} {
		out, err := m.run("status", m.path(c.name))
		if err != nil || !containsAll(out, c.has) {
			t.Errorf("status %q: %v\n%s\nwant it to tell of %q", c.name, err, out, c.has)
		}
		for _, no := range c.lack {
			if strings.Contains(out, no) {
				t.Errorf("status %q tells of %q:\n%s", c.name, no, out)
			}
		}
	}
	if out, err := m.run("status", m.path(delivery+"absent")); exitCode(t, err) != 1 ||
		!strings.Contains(out, "there is no such file") {
		t.Errorf("status of what is not there: %v\n%s", err, out)
	}
	for name, want := range map[string]string{"absent": "there is no such file",
		"c.part": "a private name, never sent",
		"a.txt":  "access denied (s3:PutObject on Delivery/)"} {
		if out, err := m.run("wait", m.path(delivery+name)); exitCode(t, err) != 1 ||
			!strings.Contains(out, want) {
			t.Errorf("wait for %s: %v\n%s\nwant it to say %q", name, err, out, want)
		}
	}
	out, err := m.run("status", "--json", m.path(delivery+"a.txt"))
	var all []struct {
		Path string
		Owed []struct {
			Path, State, Reason, Code string
			Size                      int64
			RequestID                 string `json:"request_id"`
			Since                     string
		}
	}
	if err == nil {
		err = json.Unmarshal([]byte(out), &all)
	}
	if err != nil || len(all) != 1 || len(all[0].Owed) != 1 {
		t.Fatalf("status --json: %v\n%s", err, out)
	}
	if o := all[0].Owed[0]; o.Path != delivery+"a.txt" || o.State != "blocked" ||
		o.Size != 1 || o.Code != "AccessDenied" || o.RequestID != "GATEWAY" || o.Since == "" {
		t.Errorf("status --json tells %+v", o)
	}

	for name, want := range map[string]string{"state": "blocked", "progress": "0/1",
		"error": "AccessDenied"} {
		if got, err := xattr(m.path(delivery+"a.txt"), "user.s3share."+name); err != nil ||
			!strings.Contains(got, want) {
			t.Errorf("%s of a.txt = %q, %v, want %q", name, got, err, want)
		}
	}
	m.wantXattrs(delivery+"a.txt", "key", "state", "progress", "error")
	m.wantXattrs(delivery+"c.part", "key", "state")
	m.wantXattrs(submissions+"theirs.txt", "key", "etag", "state")

	cmd := exec.Command(s3shareBin, "status", "--watch", m.dir)
	cmd.Env = m.env
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	var said []string
	until := func(text string) {
		t.Helper()
		for lines.Scan() {
			said = append(said, lines.Text())
			if strings.Contains(lines.Text(), text) {
				return
			}
		}
		t.Fatalf("watching ended before it said %q; it said\n%s", text, strings.Join(said, "\n"))
	}
	until("a.txt: blocked, ")
	g.when(nil)
	if out, err := m.run("retry", m.dir); err != nil {
		t.Fatalf("retry: %v\n%s", err, out)
	}
	m.awaitDelivered(delivery + "a.txt")
	until("a.txt: delivered")
	m.unmount()
	until("is no longer mounted")
	if err := cmd.Wait(); err != nil {
		t.Errorf("watching ended with %v", err)
	}
}

// wantXattrs fails the test unless a file has these attributes of ours, and no others,
// and lists none: a copy with all that is listed would take them along.
func (m *mount) wantXattrs(key string, names ...string) {
	m.t.Helper()
	if n, err := unix.Listxattr(m.path(key), make([]byte, 1024)); n != 0 || err != nil {
		m.t.Errorf("%s lists attributes of %d bytes, %v", key, n, err)
	}
	for _, name := range []string{"key", "etag", "state", "progress", "error"} {
		value, err := xattr(m.path(key), "user.s3share."+name)
		if has := err == nil && value != ""; has != slices.Contains(names, name) {
			m.t.Errorf("%s has %q as %s, %v", key, value, name, err)
		}
	}
}
