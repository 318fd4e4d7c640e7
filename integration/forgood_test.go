package integration

import (
	"net/http"
	"strings"
	"testing"
)

// TestRefusalForGoodEndsWaiting has S3 refuse a file with what is no matter of access, and
// will not pass: wait and both kinds of unmount end, and say why.
func TestRefusalForGoodEndsWaiting(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		op     string
		size   int
		status int
		code   string
	}{
		{"PutObject", 100, 400, "KMS.DisabledException"},
		{"PutObject", 100, 400, "MetadataTooLarge"},
		{"PutObject", 100, 405, "MethodNotAllowed"},
		{"PutObject", 100, 400, "BadDigest"},
		{"CompleteMultipartUpload", 20 * mib, 400, "InvalidRequest"},
	} {
		t.Run(c.op+" "+c.code, func(t *testing.T) {
			t.Parallel()
			direct := newExchange(t, "article")
			x, g := direct.through(t)
			m := x.mount(client)
			g.when(func(op string, w http.ResponseWriter, r *http.Request) bool {
				return op == c.op && refuse(w, r, c.status, c.code)
			})
			const key = delivery + "refused.bin"
			m.write(key, randomBytes(c.size))
			for _, command := range []string{"wait", "unmount"} {
				out, err := m.run(command, m.dir)
				if exitCode(t, err) != 1 || !strings.Contains(out, "refused.bin") ||
					!strings.Contains(out, c.code) {
					t.Errorf("%s: %v, want status 1, the file and the reason\n%s",
						command, err, out)
				}
			}
			out, err := m.run("why", m.path(key))
			if err != nil || !strings.Contains(out, "blocked") ||
				strings.Contains(out, "by itself") {
				t.Errorf("why: %v\n%s", err, out)
			}
			m.done = true
			if out, err := m.run("unmount", "--keep", m.dir); exitCode(t, err) != 1 ||
				!strings.Contains(out, c.code) {
				t.Errorf("unmount --keep: %v\n%s", err, out)
			}
			<-m.ended
		})
	}
}
