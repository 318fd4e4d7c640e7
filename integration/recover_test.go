package integration

import (
	"net/http"
	"os"
	"strings"
	"testing"
)

// recover runs `s3share recover` with the settings of the mount.
func (m *mount) recover(options ...string) (string, error) {
	settings := m.cmd.Args[3 : len(m.cmd.Args)-1] // behind `s3share mount -f`, before the directory
	return m.run(append(append([]string{"recover"}, settings...), options...)...)
}

// TestRecover kills a mount that could not deliver: recover does, needs no FUSE for
// it, and tells what is left for a person.
func TestRecover(t *testing.T) {
	t.Parallel()
	direct := newExchange(t, "article")
	x, g := direct.through(t)
	m := x.mount(client)
	g.when(func(op string, w http.ResponseWriter, r *http.Request) bool {
		return strings.Contains(op, "Put") && refuse(w, r, 403, "AccessDenied")
	})
	const small, large = delivery + "small.txt", delivery + "large.bin"
	m.write(small, []byte("small"))
	content := randomBytes(20 * mib)
	m.write(large, content)
	if out, err := m.recover(); exitCode(t, err) != 1 ||
		!strings.Contains(out, "it is mounted on "+m.dir+", which delivers") {
		t.Errorf("recover beside the mount: %v\n%s", err, out)
	}
	m.kill()

	if out, err := m.recover(); exitCode(t, err) != 1 ||
		!containsAll(out, []string{`not delivered: "` + small + `"`,
			"access denied (s3:PutObject on Delivery/)", "not all can be delivered"}) {
		t.Errorf("recover while S3 refuses: %v\n%s", err, out)
	}
	g.when(nil)
	out, err := m.recover()
	if err != nil || !containsAll(out, []string{"1 file, 5 B delivered in "}) {
		t.Errorf("recover: %v\n%s", err, out)
	}
	direct.awaitObject(small, []byte("small"))
	direct.awaitObject(large, content)
	if out, err := m.recover(); err != nil ||
		!strings.Contains(out, "nothing waits for "+x.Bucket) {
		t.Errorf("recover again: %v\n%s", err, out)
	}
}

// TestRecoverLeaves has a file that was open when the daemon was killed: recover
// names it, and leaves it for a person.
func TestRecoverLeaves(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "article")
	m := x.mount(client)
	const key = delivery + "half.txt"
	f, err := os.Create(m.path(key))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("half"); err != nil {
		t.Fatal(err)
	}
	m.kill()
	_ = f.Close() // of a dead mount
	out, err := m.recover()
	if exitCode(t, err) != 1 || !containsAll(out, []string{`not delivered: "` + key + `"`,
		"open for writing when s3share ended", "stays in the outbox"}) {
		t.Errorf("recover: %v\n%s", err, out)
	}
	if x.head(key) != nil {
		t.Error("half a file was delivered")
	}
	m = m.revive(t)
	if got := string(m.read(key)); got != "half" {
		t.Errorf("the file holds %q, want what was written", got)
	}
	m.abandon()
}
