package integration

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Two users of the machine, beside root, who runs the tests.
const (
	someUser = 61001
	attacker = 61002
)

// needRoot skips a test that acts as several users.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		missing(t, "root", "only root can act as several users")
	}
}

// commonDir is a directory of root that everybody can reach.
func commonDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "s3u-")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// dirOf makes a directory of a user.
func dirOf(t *testing.T, uid int, mode os.FileMode, path ...string) string {
	t.Helper()
	dir := filepath.Join(path...)
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.Chmod(dir, mode),
		os.Chown(dir, uid, uid)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// fakeDaemon makes the test binary answer on a control socket as a daemon of another
// user may: TestMain hands over to it.
const fakeDaemon = "S3SHARE_TEST_FAKE_DAEMON"

// answerAsDaemon listens on the socket, and says the text to whoever asks.
func answerAsDaemon(socket string) error {
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	fmt.Println("listening")
	return http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = w.Write(text)
	}))
}

// socketName is how the control socket of the mount on dir is called.
func socketName(dir string) string {
	sum := sha256.Sum256([]byte(dir))
	return hex.EncodeToString(sum[:8]) + ".sock"
}

// copyProgram copies a program to where others may start it. Another process does that: a
// child that this one starts meanwhile would hold the file open to write, and nobody could
// start it ("text file busy").
func copyProgram(t *testing.T, from, to string) string {
	t.Helper()
	from, err := filepath.EvalSymlinks(from)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("install", "-m", "755", from, to).CombinedOutput(); err != nil {
		t.Fatalf("install: %v\n%s", err, out)
	}
	return to
}

// startFakeDaemon has a user answer on the socket of the mount on dir, in the place
// that is searched last.
func startFakeDaemon(t *testing.T, uid int, dir string, status map[string]any) {
	t.Helper()
	run := fmt.Sprintf("/tmp/s3share-%d", uid)
	if err := errors.Join(os.MkdirAll(run, 0o700), os.Chown(run, uid, uid)); err != nil {
		t.Fatal(err)
	}
	program := copyProgram(t, "/proc/self/exe", filepath.Join(commonDir(t), "daemon"))
	text, err := json.Marshal(status)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program)
	cmd.Dir = "/"
	cmd.Env = []string{fakeDaemon + "=" + filepath.Join(run, socketName(dir))}
	cmd.Stdin = strings.NewReader(string(text))
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid),
		Gid: uint32(uid)}}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = os.RemoveAll(run)
	})
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatalf("the fake daemon does not listen: %v", err)
	}
}

// mountAs has the kernel show a mount of s3share that a user has made, and that nobody
// serves.
func mountAs(t *testing.T, uid int, dir string) {
	t.Helper()
	needFuse(t)
	fuse, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	err = unix.Mount("s3share:theirs", dir, "fuse.s3share", unix.MS_NOSUID|unix.MS_NODEV,
		fmt.Sprintf("fd=%d,rootmode=40000,user_id=%d,group_id=%[2]d", fuse.Fd(), uid))
	if err != nil {
		fuse.Close()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
		fuse.Close()
	})
}

// evilServer is where another user would have requests of root go. It leaves what
// doctor remembers: an upload that cannot be aborted.
type evilServer struct {
	*httptest.Server
	mu     sync.Mutex
	tokens []string // of all requests
}

func newEvilServer(t *testing.T) *evilServer {
	e := &evilServer{}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.mu.Lock()
		e.tokens = append(e.tokens, r.Header.Get("X-Amz-Security-Token"))
		e.mu.Unlock()
		query := r.URL.Query()
		switch {
		case query.Has("uploads"):
			_, _ = io.WriteString(w,
				"<InitiateMultipartUploadResult><UploadId>planted</UploadId></InitiateMultipartUploadResult>")
		case query.Has("list-type"):
			_, _ = io.WriteString(w, "<ListBucketResult><Name>theirs</Name></ListBucketResult>")
		case r.Method == http.MethodPut, r.Method == http.MethodDelete:
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, "<Error><Code>AccessDenied</Code></Error>")
		case r.Method == http.MethodGet:
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, "<Error><Code>NoSuchKey</Code></Error>")
		}
	}))
	t.Cleanup(e.Close)
	return e
}

func (e *evilServer) got() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.tokens
}

// TestRootTakesNothingFromAnotherUsersDaemon has root look at another user's mount, whose
// daemon names a server of that user's and a state directory with a link in it.
func TestRootTakesNothingFromAnotherUsersDaemon(t *testing.T) {
	t.Parallel()
	needRoot(t)
	top := commonDir(t)
	precious := filepath.Join(top, "precious")
	if err := os.WriteFile(precious, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := dirOf(t, someUser, 0o755, top, "theirs", "mnt")
	state := dirOf(t, someUser, 0o700, top, "theirs", "state")
	for _, name := range []string{"probes.json", "exchange.json", "daemon.lock"} {
		link := filepath.Join(state, name)
		if err := errors.Join(os.Symlink(precious, link),
			os.Lchown(link, someUser, someUser)); err != nil {
			t.Fatal(err)
		}
	}
	evil := newEvilServer(t)
	mountAs(t, someUser, dir)
	startFakeDaemon(t, someUser, dir, map[string]any{
		"dir": dir, "mounted": true, "bucket": "theirs", "region": "us-east-1", "endpoint": evil.URL, "folders": []string{"Delivery", "Submissions"},
		"state_dir": state, "pid": 1, "owed": []any{}, "login": map[string]any{"profile": "theirs", "mfa": "arn:aws:iam::1:mfa/x"},
	})
	for _, command := range []string{"doctor", "repair", "login"} {
		cmd := exec.CommandContext(t.Context(), s3shareBin, command, dir)
		cmd.Env = append(os.Environ(), "HOME="+top, "XDG_CONFIG_HOME="+top, "XDG_RUNTIME_DIR=",
			"AWS_EC2_METADATA_DISABLED=true",
			"AWS_ACCESS_KEY_ID=ROOT", "AWS_SECRET_ACCESS_KEY=secret",
			"AWS_SESSION_TOKEN=token-of-root")
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "is a mount of") {
			t.Errorf("%s: %v\n%s", command, err, out)
		}
	}
	if got := evil.got(); len(got) > 0 {
		t.Errorf("%d requests went to the other user's server, with the tokens %q", len(got), got)
	}
	if got, err := os.ReadFile(precious); err != nil || string(got) != "precious" {
		t.Errorf("root's file holds %q, %v", got, err)
	}
}

// TestAStateDirectoryOfAnotherUserIsRefused names directories that another user made
// first, with a journal by which a file that only root may read would be delivered.
func TestAStateDirectoryOfAnotherUserIsRefused(t *testing.T) {
	t.Parallel()
	needRoot(t)
	x := newExchange(t, "full")
	top := commonDir(t)
	secret := filepath.Join(top, "secret")
	if err := os.WriteFile(secret, []byte("for root alone"), 0o600); err != nil {
		t.Fatal(err)
	}
	plant := func(t *testing.T, state string, owner int) {
		stage := dirOf(t, owner, 0o700, state, "stage")
		staged := filepath.Join(stage, "1-1")
		var journal strings.Builder
		for _, line := range []string{
			`{"op":"create","key":"Delivery/stolen"}`,
			`{"op":"seal","size":14,"mtime":"2026-01-01T00:00:00Z"}`,
		} {
			fmt.Fprintf(&journal, "%08x %s\n", crc32.ChecksumIEEE([]byte(line)), line)
		}
		log := staged + ".log"
		if err := errors.Join(os.Symlink(secret, staged), os.Lchown(staged, owner, owner),
			os.WriteFile(log, []byte(journal.String()), 0o600), os.Chown(log,
				owner, owner)); err != nil {
			t.Fatal(err)
		}
	}
	for name, make := range map[string]func(t *testing.T) (state string){
		"his own": func(t *testing.T) string {
			state := dirOf(t, attacker, 0o700, commonDir(t), "state")
			plant(t, state, attacker)
			return state
		},
		"in a directory of his": func(t *testing.T) string {
			his := dirOf(t, attacker, 0o755, commonDir(t), "his")
			state := dirOf(t, 0, 0o700, his, "state")
			plant(t, state, 0)
			return state
		},
		"one that everybody could write to": func(t *testing.T) string {
			state := dirOf(t, 0, 0o777, commonDir(t), "state")
			plant(t, state, attacker)
			return state
		},
		"its stage alone": func(t *testing.T) string {
			state := dirOf(t, 0, 0o700, commonDir(t), "state")
			plant(t, state, attacker)
			return state
		},
	} {
		t.Run(name, func(t *testing.T) {
			state := make(t)
			out, code := x.as(t, client, nil, "recover", "--state-dir", state)
			if code == 0 {
				t.Errorf("recover has used it: %s", out)
			}
			if got, err := x.get(owner, "Delivery/stolen"); err == nil {
				t.Errorf("delivered was %q", got)
			}
		})
	}
}

// TestAnotherUsersDirectoriesDoNotKeepFromMounting mounts as a user whose places for a
// control socket another user has taken, and has both that user and root ask for it.
func TestAnotherUsersDirectoriesDoNotKeepFromMounting(t *testing.T) {
	t.Parallel()
	needRoot(t)
	needFuse(t)
	needTools(t, "unshare", "setpriv", "fusermount3")
	x := newExchange(t, "full")
	const uid = 65534 // nobody: fusermount3 wants a user with a name
	top := commonDir(t)
	home := dirOf(t, uid, 0o755, top, "home")
	mnt := dirOf(t, uid, 0o755, home, "mnt")
	for i, squatted := range []string{"s3share-65534", "s3share-65534-1", "s3share-65534-2"} {
		dir := dirOf(t, attacker, []os.FileMode{0o777, 0o777, 0o700}[i], "/tmp", squatted)
		t.Cleanup(func() { os.RemoveAll(dir) })
	}
	t.Cleanup(func() { // what the mount took instead
		all, _ := filepath.Glob("/tmp/s3share-65534-*")
		for _, dir := range all {
			os.RemoveAll(dir)
		}
	})
	copyProgram(t, s3shareBin, filepath.Join(top, "s3share"))
	a := x.account(client)
	// In a mount namespace of its own the user may open /dev/fuse.
	out := shell(t, `
		export HOME=$2 XDG_RUNTIME_DIR= AWS_ACCESS_KEY_ID=$5 AWS_SECRET_ACCESS_KEY=$6 AWS_SESSION_TOKEN= TMPDIR= AWS_EC2_METADATA_DISABLED=true
		export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null DBUS_SESSION_BUS_ADDRESS=
		unshare --mount bash -euo pipefail -c '
			mknod -m 666 $1/fuse c 10 229
			mount --bind $1/fuse /dev/fuse
			cd /
			user() { timeout 60 setpriv --reuid 65534 --regid 65534 --clear-groups -- "$@"; }
			user $1/s3share mount --bucket $3 --endpoint-url $4 --region $5 $2/mnt
			trap "user $1/s3share unmount $2/mnt" EXIT
			user sh -c "echo hello > $2/mnt/Delivery/hello"
			user $1/s3share wait $2/mnt/Delivery/hello
			echo "the user sees: $(user $1/s3share status)"
			echo "root sees: $(timeout 60 $1/s3share status $2/mnt)"
			timeout 60 $1/s3share doctor $2/mnt 2>&1 || echo "doctor: exit status $?"
		' bash $1 $2 $3 $4 $7`,
		top, home, x.Bucket, x.Endpoint, a.AccessKeyID, a.SecretAccessKey, x.Region)
	for _, want := range []string{"the user sees: " + mnt, "root sees: " + mnt,
		"is a mount of nobody", "doctor: exit status 1"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if got, err := x.get(owner, "Delivery/hello"); err != nil || string(got) != "hello\n" {
		t.Errorf("delivered was %q, %v", got, err)
	}
}
