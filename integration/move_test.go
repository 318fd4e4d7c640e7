package integration

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// mover is a machine of a party that has no mount, with its state directory and a directory
// of files.
type mover struct {
	*exchange
	p     party
	state string
	dir   string
}

func (x *exchange) mover(p party) *mover {
	x.t.Helper()
	return &mover{exchange: x,
		p: p, state: filepath.Join(x.t.TempDir(), "state"), dir: x.t.TempDir()}
}

// command is s3share put or get on that machine, in the directory.
func (m *mover) command(args ...string) *exec.Cmd {
	a := m.account(m.p)
	args = append([]string{args[0], "--bucket", m.Bucket, "--state-dir", m.state},
		append(m.endpoint(), args[1:]...)...)
	cmd := exec.CommandContext(m.t.Context(), s3shareBin, args...)
	cmd.Dir = m.dir
	cmd.Env = append(append(os.Environ(),
		"AWS_ACCESS_KEY_ID="+a.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+a.SecretAccessKey, "AWS_SESSION_TOKEN=",
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_EC2_METADATA_DISABLED=true", "AWS_PROFILE=",
		"HOME="+m.state, "XDG_CONFIG_HOME="+m.state), m.reach()...)
	return cmd
}

// run returns what the command prints, and its exit code.
func (m *mover) run(args ...string) (string, int) {
	m.t.Helper()
	var all strings.Builder
	cmd := m.command(args...)
	cmd.Stdout, cmd.Stderr = &all, &all
	code := exitCode(m.t, cmd.Run())
	return all.String(), code
}

// want runs a command whose output has to contain all of words.
func (m *mover) want(code int, args []string, words ...string) {
	m.t.Helper()
	out, got := m.run(args...)
	for _, w := range words {
		if !strings.Contains(out, w) {
			m.t.Errorf("s3share %q does not say %q:\n%s", args, w, out)
		}
	}
	if got != code {
		m.t.Errorf("s3share %q ends with %d, want %d:\n%s", args, got, code, out)
	}
}

func (m *mover) write(name string, data []byte) {
	m.t.Helper()
	path := filepath.Join(m.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		m.t.Fatal(err)
	}
}

func (m *mover) wantFile(name string, data []byte) {
	m.t.Helper()
	got, err := os.ReadFile(filepath.Join(m.dir, name))
	if err != nil || !bytes.Equal(got, data) {
		m.t.Errorf("%s has %s, error %v, want %s", name, brief(got), err, brief(data))
	}
}

// TestPutAndGet moves files from one party to the other without a mount. That the owner may
// read each object is asserted when the test ends.
func TestPutAndGet(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "article")
	ours, theirs := x.mover(client), x.mover(owner)
	large := randomBytes(40 << 20)
	ours.write("large.bin", large)
	for i := range 30 {
		ours.write(fmt.Sprintf("photos/2026/%02d", i), []byte(fmt.Sprint("photo ", i)))
	}
	ours.want(0, []string{"put", "large.bin", "photos", "Delivery"},
		"31 files, 40.0 MiB delivered in ")
	ours.want(0, []string{"put", "large.bin", "photos", "Delivery"},
		"0 files", "31 were there already")
	theirs.want(0, []string{"get", "Delivery", "in"}, "31 files, 40.0 MiB fetched in ")
	theirs.wantFile("in/large.bin", large)
	theirs.wantFile("in/photos/2026/07", []byte("photo 7"))
	theirs.want(0, []string{"get", "Delivery", "in"}, "31 were there already")
	theirs.want(0, []string{"get", "Delivery/photos/2026/07", "."}, "1 file, ")
	theirs.wantFile("07", []byte("photo 7"))
	if h := x.head(delivery + "large.bin"); h != nil && h.Metadata["mtime"] == "" {
		t.Error("the time of the file did not travel")
	}
	ours.write("photos/2026/07", []byte("another photo"))
	ours.want(0, []string{"put", "photos", "Delivery"}, "1 file, ", "29 were there already")
	theirs.want(0, []string{"get", "Delivery", "in"}, "1 file, ", "30 were there already")
	theirs.wantFile("in/photos/2026/07", []byte("another photo"))
	ours.want(1, []string{"get", "Delivery/none", "."}, `no object "Delivery/none"`)
	ours.want(1, []string{"put", "none", "Delivery"}, "cannot put", "no such file")
	ours.want(2, []string{"put", "large.bin", "Elsewhere"}, "in no folder of the exchange")
	ours.want(2, []string{"put", "large.bin", "Delivery/.."}, "cannot be a folder")
}

// TestPutConflict: the other party's version stays, and ours goes beside it, once.
func TestPutConflict(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"article", "folders", "dropbox"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			x := newExchange(t, policy)
			m := x.mover(client)
			x.put(owner, delivery+"q3.csv", []byte("the owner's"), true)
			m.write("q3.csv", []byte("the client's"))
			for range 2 {
				m.want(1, []string{"put", "q3.csv", "Delivery"}, "differs from what is there",
					"went beside another version")
			}
			found := 0
			for key := range x.list() {
				body, err := x.get(owner, key)
				switch {
				case err != nil:
					t.Errorf("the owner cannot read %s: %v", key, err)
				case key == delivery+"q3.csv" && string(body) != "the owner's":
					t.Errorf("the owner's version was replaced by %q", body)
				case strings.Contains(key, "(conflict") && string(body) == "the client's":
					found++
				}
			}
			if found != 1 {
				t.Errorf("%d conflict copies, want 1, in %v", found, x.list())
			}
		})
	}
}

// TestMoveWithoutRights names the right that is missing.
func TestMoveWithoutRights(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "dropbox")
	m := x.mover(client)
	x.put(owner, delivery+"f", []byte("x"), true)
	m.write("f", []byte("y"))
	m.want(1, []string{"get", "Delivery/f", "."},
		"access denied (s3:GetObject on Delivery/)", "s3share doctor")
	x = newExchange(t, "folders")
	m.exchange = x
	m.want(1, []string{"put", "f", "Submissions"},
		"access denied (s3:PutObject on Submissions/)", "s3share doctor")
}

// TestPutKilled: after a kill a put goes on at the parts that are missing.
func TestPutKilled(t *testing.T) {
	t.Parallel()
	direct := newExchange(t, "article")
	x, g := direct.through(t)
	m := x.mover(client)
	const parts, before = 6, 2
	data := randomBytes((parts-1)*(16<<20) + 5)
	m.write("f", data)
	var sent atomic.Int64
	killed := make(chan struct{})
	release := sync.OnceFunc(func() { close(killed) })
	defer release()
	g.when(func(op string, w http.ResponseWriter, r *http.Request) bool {
		if op == "UploadPart" && sent.Add(1) > before {
			<-killed // a request whose body is not read does not notice
			return true
		}
		return false
	})
	cmd := m.command("put", "f", "Delivery")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, "notes of two parts", func() bool {
		return bytes.Count(notesOf(t, filepath.Join(m.state, "transfers", "upload-*")),
			[]byte("\n")) == 1+before
	})
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	release()
	sent.Store(0)
	var again atomic.Int64
	g.when(func(op string, w http.ResponseWriter, r *http.Request) bool {
		if op == "UploadPart" {
			again.Add(1)
		}
		return false
	})
	m.want(0, []string{"put", "f", "Delivery"}, "1 file, ")
	if n := again.Load(); n != parts-before {
		t.Errorf("%d parts went up again, want the %d that were missing", n, parts-before)
	}
	if got, err := direct.get(owner, delivery+"f"); err != nil || !bytes.Equal(got, data) {
		t.Errorf("the object has %s, error %v", brief(got), err)
	}
	if left := direct.uploads(); len(left) > 0 {
		t.Errorf("uploads are left: %q", left)
	}
}

// TestGetKilled: after a kill a get goes on with the ranges that are missing, unless the
// object was replaced meanwhile: no file is ever mixed.
func TestGetKilled(t *testing.T) {
	t.Parallel()
	for _, swapped := range []bool{false, true} {
		t.Run(fmt.Sprintf("swapped %v", swapped), func(t *testing.T) {
			t.Parallel()
			direct := newExchange(t, "article")
			x, g := direct.through(t)
			m := x.mover(client)
			const size, ranges, before = 88 << 20, 11, 9
			data := randomBytes(size)
			direct.put(owner, submissions+"f", data, true)
			var asked atomic.Int64
			killed := make(chan struct{})
			release := sync.OnceFunc(func() { close(killed) })
			defer release()
			g.when(func(op string, w http.ResponseWriter, r *http.Request) bool {
				if op == "GetObject" && asked.Add(1) > before {
					<-killed
					return true
				}
				return false
			})
			cmd := m.command("get", "Submissions/f", ".")
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			await(t, "notes of what is on the disk", func() bool {
				return len(notesOf(t, filepath.Join(m.dir, ".s3share-*.notes.part"))) > 0
			})
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			release()
			if _, err := os.Lstat(filepath.Join(m.dir, "f")); err == nil {
				t.Error("the file appeared before it was whole")
			}
			if swapped {
				data = randomBytes(size)
				direct.put(owner, submissions+"f", data, true)
			}
			asked.Store(-1 << 20)
			m.want(0, []string{"get", "Submissions/f", "."}, "1 file, ")
			m.wantFile("f", data)
			if n := asked.Load() + 1<<20; !swapped && n >= ranges {
				t.Errorf("%d ranges were fetched again of %d", n, ranges)
			}
		})
	}
}

// TestGetSwapped: an object that is replaced while it is fetched is fetched anew.
func TestGetSwapped(t *testing.T) {
	t.Parallel()
	direct := newExchange(t, "article")
	x, g := direct.through(t)
	m := x.mover(client)
	one, two := randomBytes(40<<20), randomBytes(40<<20)
	direct.put(owner, submissions+"f", one, true)
	var asked atomic.Int64
	g.when(func(op string, w http.ResponseWriter, r *http.Request) bool {
		if op == "GetObject" && asked.Add(1) == 3 {
			direct.put(owner, submissions+"f", two, true)
		}
		return false
	})
	m.want(0, []string{"get", "Submissions", "."}, "1 file, 40.0 MiB fetched")
	m.wantFile("f", two)
}

// notesOf is what the files of a pattern hold.
func notesOf(t *testing.T, pattern string) (all []byte) {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err == nil { // else it is gone
			all = append(all, data...)
		}
	}
	return all
}
