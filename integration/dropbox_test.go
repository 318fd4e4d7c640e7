package integration

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestDropbox writes where nobody may read, with and without the right to list: what
// was sent is listed with its size and time, also after a remount, and what is taken
// is not overwritten.
func TestDropbox(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		rules []allow
	}{
		{"that may be listed", []allow{toList, {delivery, toPut}}},
		{"that may not be listed", []allow{{delivery, toPut}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			direct := newExchange(t, "dropbox").in(t)
			direct.govern(t, direct.statements(c.rules...)...)
			lists := slices.ContainsFunc(c.rules, func(a allow) bool { return a.on == "" })
			theirs := []byte("the owner's own")
			direct.put(owner, delivery+"taken", theirs, true)
			x, g := direct.through(t)
			x.t = t
			// The server would let us read what is ours by its ACL; a bucket that owns all does
			// not.
			g.when(func(op string, w http.ResponseWriter, r *http.Request) bool {
				return (op == "GetObject" || op == "HeadObject" &&
					strings.Count(r.URL.Path, "/") > 2) && refuse(w, r, 403, "AccessDenied")
			})
			m := x.mount(client)
			at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
			content := randomBytes(70_000)
			if err := os.Mkdir(m.path(delivery+"dir"), 0o755); err != nil {
				t.Fatal(err)
			}
			for _, key := range []string{delivery + "sent", delivery + "dir/large"} {
				if strings.HasSuffix(key, "large") {
					content = randomBytes(9 * mib)
				}
				m.write(key, content)
				if err := os.Chtimes(m.path(key), at, at); err != nil {
					t.Fatal(err)
				}
				m.awaitDelivered(key)
				direct.awaitObject(key, content)
			}
			if err := os.Chmod(m.path(delivery+"sent"), 0o640); err != nil {
				t.Fatal(err)
			}
			if !lists { // else it is seen, and overwriting it would be meant
				m.write(delivery+"taken", []byte("ours"))
				await(t, "a conflict copy", func() bool {
					return slices.ContainsFunc(m.names(delivery),
						func(n string) bool { return strings.HasPrefix(n, "taken (conflict") })
				})
			}
			direct.awaitObject(delivery+"taken", theirs)
			m.unmount()

			if err := os.RemoveAll(filepath.Join(filepath.Dir(m.dir), "cache")); err != nil {
				t.Fatal(err)
			}
			m = m.revive(t)
			for key, size := range map[string]int64{delivery + "sent": 70_000,
				delivery + "dir/large": 9 * mib} {
				info, err := os.Stat(m.path(key))
				if err != nil || info.Size() != size || !info.ModTime().Equal(at) {
					t.Errorf("after a remount %s is %v, %v; want %d bytes of %s",
						key, info, err, size, at)
				}
				if state := m.fileState(key); state != "delivered" {
					t.Errorf("%s is %s", key, state)
				}
			}
			if info, err := os.Stat(m.path(delivery + "sent")); err != nil ||
				info.Mode().Perm() != 0o640 {
				t.Errorf("after a remount the mode is %v, %v", info, err)
			}
			_, err := os.ReadFile(m.path(delivery + "sent"))
			wantErrno(t, "reading back what is not here", err, unix.EACCES)
			again := []byte("a second version")
			m.write(delivery+"sent", again)
			direct.awaitObject(delivery+"sent", again)
			if _, err := os.Stat(m.path(delivery + "nothing")); !os.IsNotExist(err) {
				t.Errorf("what is not there: %v", err)
			}
		})
	}
}

// TestPrefixLimited has a policy that lets the two folders be listed and nothing else:
// the mount asks for nothing outside of them.
func TestPrefixLimited(t *testing.T) {
	t.Parallel()
	direct := newExchange(t, "folders").in(t)
	list := direct.statements(toList)[0]
	list["Condition"] = map[string]any{"StringLike": map[string]any{"s3:prefix": []string{delivery +
		"*", submissions + "*"}}}
	direct.govern(t,
		append(direct.statements(allow{submissions, toGet}, allow{delivery, toPut}), list)...)
	direct.put(owner, submissions+"dir/theirs", []byte("for the client"), true)
	direct.put(owner, "secret/other", []byte("for nobody"), true)
	x, g := direct.through(t)
	x.t = t
	var mu sync.Mutex
	var outside []string
	g.when(func(op string, _ http.ResponseWriter, r *http.Request) bool {
		_, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		if q := r.URL.Query(); q.Has("list-type") {
			key = q.Get("prefix")
		} else if key == "" && op == "HeadObject" {
			return false // HeadBucket
		}
		if !strings.HasPrefix(key, delivery) && !strings.HasPrefix(key, submissions) {
			mu.Lock()
			defer mu.Unlock()
			outside = append(outside, r.Method+" "+r.URL.String())
		}
		return false
	})
	m := x.mount(client)
	if got := m.read(submissions + "dir/theirs"); !bytes.Equal(got, []byte("for the client")) {
		t.Errorf("read %q", got)
	}
	m.deliver(delivery+"ours", []byte("ours"))
	shell(t,
		`ls -lR "$1"; find "$1" | sort; ls "$1"/secret "$1"/Delivery/nothing || true; stat "$1" "$1"/Delivery`, m.dir)
	if got := m.names(submissions); !slices.Equal(got, []string{"dir"}) {
		t.Errorf("listed %q", got)
	}
	m.unmount()
	mu.Lock()
	defer mu.Unlock()
	if len(outside) > 0 {
		t.Errorf("asked outside of the folders: %q", outside)
	}
}

// TestProbesLeaveOne has a server that refuses bare parts and lets nobody abort an
// upload: of all probes, of mounts and of doctor, one upload is left in each folder.
func TestProbesLeaveOne(t *testing.T) {
	t.Parallel()
	direct := newExchange(t, "article").in(t)
	x, g := direct.through(t)
	x.t = t
	var begun atomic.Int64
	g.when(func(op string, w http.ResponseWriter, r *http.Request) bool {
		if op == "CreateMultipartUpload" {
			begun.Add(1)
		}
		return (op == "UploadPart" || op == "AbortMultipartUpload") &&
			refuse(w, r, 403, "AccessDenied")
	})
	m := x.mount(client)
	await(t, "two probes", func() bool { return begun.Load() == 2 })
	m.deliver(delivery+"small", []byte("small")) // until it is answered
	m.unmount()
	m = m.revive(t)
	await(t, "the probes of a second mount", func() bool {
		return strings.Count(m.log.String(), "the policy, as far as it can be told") >= 4
	})
	if out, err := m.run("doctor", m.dir); err != nil {
		t.Errorf("doctor of a mount: %v\n%s", err, out)
	}
	if n := begun.Load(); n != 2 {
		t.Errorf("%d uploads were begun, want one a folder", n)
	}
}
