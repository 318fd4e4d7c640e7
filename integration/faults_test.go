package integration

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// refuse answers a request with an error of S3's.
func refuse(w http.ResponseWriter, r *http.Request, status int, code string) bool {
	_, _ = io.Copy(io.Discard, r.Body) // else the client may see a cut connection instead
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("X-Amz-Request-Id", "GATEWAY")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = io.WriteString(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>`+code+
			`</Code><Message>the gateway says so</Message><RequestId>GATEWAY</RequestId></Error>`)
	}
	return true
}

// TestRefusals has S3 refuse in the middle of an upload. Until that ends, nothing is
// said to be delivered and the reason is told; afterwards the file arrives.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		status int
		code   string
		state  string   // of the file, meanwhile
		reason string   // is told by status
		then   []string // what a person does about it; nothing where it goes on by itself
	}{
		{"throttled", 503, "SlowDown", "sealed", "throttling", nil},
		{"denied", 403, "AccessDenied", "blocked", "denied", []string{"retry"}},
		{"expired", 403, "ExpiredToken", "sealed", "refused the credentials: expired", nil},
		{"clock", 403, "RequestTimeTooSkewed", "sealed", "clock is wrong", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			direct := newExchange(t, "article")
			x, g := direct.through(t)
			m := x.mount(client)
			var parts atomic.Int64
			g.when(func(op string, w http.ResponseWriter, r *http.Request) bool {
				if op == "UploadPart" && parts.Add(1) <= 2 ||
					op == "HeadObject" || op == "ListObjectsV2" {
					return false
				}
				return parts.Load() > 2 && refuse(w, r, c.status, c.code)
			})
			const key = delivery + "refused.bin"
			content := randomBytes(40 * mib)
			m.write(key, content)
			var seen owedFile
			await(t, "status to tell why", func() bool {
				all, err := m.owed()
				if err != nil {
					t.Fatal(err)
				}
				if len(all) != 1 {
					t.Fatalf("status tells %v, want the one file", all)
				}
				seen = all[0]
				return seen.State == c.state && strings.Contains(seen.Reason, c.reason)
			})
			if out, err := m.run("unmount", "--timeout", "1s", m.dir); err == nil ||
				!strings.Contains(out, "refused.bin") {
				t.Errorf("unmount = %v, want it to name what is not delivered\n%s", err, out)
			}
			if direct.head(key) != nil {
				t.Error("there is an object already")
			}
			g.when(nil)
			if c.then != nil {
				if out, err := m.run(append(c.then, m.dir)...); err != nil {
					t.Fatalf("%v: %v\n%s", c.then, err, out)
				}
			}
			m.awaitDelivered(key)
			direct.awaitObject(key, content)
		})
	}
}

// TestRefusedPartsFailTheWrite has S3 refuse the parts of a file in the midst of its
// writing: the program is told by a write, not by silence and a blocked file.
func TestRefusedPartsFailTheWrite(t *testing.T) {
	t.Parallel()
	for _, ops := range [][]string{{"UploadPart"},
		{"UploadPart", "CreateMultipartUpload", "PutObject"}} {
		t.Run(strings.Join(ops, "+"), func(t *testing.T) {
			t.Parallel()
			direct := newExchange(t, "article")
			x, g := direct.through(t)
			m := x.mount(client)
			const key = delivery + "refused.bin"
			var parts atomic.Int64
			g.when(func(op string, w http.ResponseWriter, r *http.Request) bool {
				if op == "UploadPart" && parts.Add(1) <= 1 {
					return false
				}
				return parts.Load() > 1 && slices.Contains(ops, op) &&
					refuse(w, r, 403, "AccessDenied")
			})
			f, err := os.Create(m.path(key))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.Write(randomBytes(40 * mib)); err != nil {
				wantErrno(t, "write of a file whose parts S3 refuses", err, unix.EACCES)
			}
			await(t, "a write to fail", func() bool {
				_, err = f.Write([]byte("more"))
				return err != nil
			})
			wantErrno(t, "write of a file whose parts S3 refuses", err, unix.EACCES)
			_ = f.Close()
			if direct.head(key) != nil {
				t.Error("half a file was delivered")
			}
			m.abandon()
		})
	}
}

// TestStoppedCopy stops a program in the midst of a copy: the other party never
// sees the file, and what was written is kept here as interrupted or is gone.
func TestStoppedCopy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		stop  func(p *os.Process, path string) error
		state string
	}{
		{"SIGINT", func(p *os.Process, _ string) error { return p.Signal(syscall.SIGINT) }, "interrupted"},
		{"SIGKILL", func(p *os.Process, _ string) error { return p.Kill() }, "interrupted"},
		{"cancel", func(p *os.Process, path string) error { return os.Remove(path) }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			x := newExchange(t, "article")
			m := x.mount(client)
			const key = delivery + "stopped.bin"
			cmd := exec.Command("cp", "/dev/stdin", m.path(key))
			source, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if _, err := source.Write(randomBytes(64 * mib)); err != nil {
				t.Fatal(err)
			}
			await(t, "the upload to begin",
				func() bool { return slices.Contains(x.uploads(), key) })
			if err := c.stop(cmd.Process, m.path(key)); err != nil {
				t.Fatal(err)
			}
			if c.state == "" {
				source.Close() // it closes what it has no name for any more
			}
			_ = cmd.Wait() // ended by the signal
			source.Close()
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				left := m.awaitRest()
				if c.state == "" && len(left) > 0 ||
					c.state != "" && (len(left) != 1 || left[0].State != c.state) {
					t.Errorf("in the end there is %v, want %q", left, c.state)
				}
				m.leaveAsItIs()
			}()
			never(t, "an object", func() bool { return x.atServer(owner, key).listed }, ended)
			if left := x.uploads(); c.state == "" && len(left) > 0 {
				t.Errorf("uploads of %q are still open", left)
			}
		})
	}
}
