package integration

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// mount is the exchange as one party sees it, served by a process of its own.
type mount struct {
	t     *testing.T
	x     *exchange
	dir   string
	env   []string
	state string // the state directory
	cmd   *exec.Cmd
	log   *output
	ended chan struct{} // closed when the process has ended
	err   error         // why it has; to be read once ended is closed
	life  *os.File      // its end ends the process
	done  bool          // undone already

	lifetime time.Duration // after which it is killed: testPatience if zero
}

// in is the mount for use in a subtest.
func (m mount) in(t *testing.T) *mount {
	m.t, m.x = t, m.x.in(t)
	return &m
}

// output is the file that a process says things into: a pipe would have to be
// emptied by this process, which may itself wait for the mount.
type output struct{ path string }

func (o *output) String() string {
	b, err := os.ReadFile(o.path)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// mount mounts the exchange as the party. Options are flags of `s3share mount`.
// When the test ends, the mount must be undone with all delivered.
func (x *exchange) mount(p party, options ...string) *mount {
	x.t.Helper()
	m, err := x.tryMount(x.t, p, options...)
	if err != nil {
		x.t.Fatalf("mount as %s: %v\n%s", p, err, m.log)
	}
	return m
}

// tryMount is mount where it may fail.
func (x *exchange) tryMount(t *testing.T, p party, options ...string) (*mount, error) {
	t.Helper()
	m := x.place(t, p, options...)
	return m, m.start(filepath.Dir(m.dir))
}

// place makes what a mount needs, and does not start it.
func (x *exchange) place(t *testing.T, p party, options ...string) *mount {
	t.Helper()
	needFuse(t)
	// Short, since the path of a socket must not be long.
	base, err := os.MkdirTemp("", "s3m-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(base); err != nil {
			t.Error(err)
		}
	})
	m := &mount{
		t: t, x: x, dir: filepath.Join(base, "mnt"), state: filepath.Join(base, "state"),
		log: &output{filepath.Join(base, "log")}, ended: make(chan struct{}),
	}
	for _, dir := range []string{m.dir, filepath.Join(base, "run")} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	a := x.account(p)
	m.env = append(os.Environ(),
		"AWS_ACCESS_KEY_ID="+a.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+a.SecretAccessKey, "AWS_SESSION_TOKEN=",
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_EC2_METADATA_DISABLED=true", "AWS_PROFILE=", "DBUS_SESSION_BUS_ADDRESS=",
		"HOME="+base, "XDG_RUNTIME_DIR="+filepath.Join(base, "run"), "XDG_CONFIG_HOME="+base,
	)
	m.env = append(m.env, x.reach()...)
	args := append([]string{"mount", "-f", "--bucket", x.Bucket, "--region", x.Region,
		"--state-dir", m.state, "--cache-dir", filepath.Join(base, "cache")}, append(x.endpoint(),
		options...)...)
	m.cmd = exec.Command(s3shareBin, append(args, m.dir)...)
	return m
}

// start runs the process until it serves, or ended without.
func (m *mount) start(base string) error {
	t := m.t
	log, err := os.OpenFile(m.log.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	m.cmd.Stdout, m.cmd.Stderr = log, log
	notify, err := net.ListenUnixgram("unixgram",
		&net.UnixAddr{Name: filepath.Join(base, "ready"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer notify.Close()
	lifeline, life, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	m.life = life
	m.cmd.ExtraFiles = []*os.File{lifeline}
	m.cmd.Env = append(m.env, "NOTIFY_SOCKET="+filepath.Join(base, "ready"),
		"S3SHARE_LIFELINE_FD=3")
	err = m.cmd.Start()
	lifeline.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.end)
	// Who waits for a mount that is stuck would wait for ever.
	lifetime := cmp.Or(m.lifetime, testPatience)
	watchdog := time.AfterFunc(lifetime, func() {
		t.Errorf("the mount was still there after %s and is killed", lifetime)
		_ = m.cmd.Process.Kill()
	})
	go func() {
		m.err = m.cmd.Wait()
		watchdog.Stop()
		close(m.ended)
		notify.Close()
	}()
	if err := notify.SetReadDeadline(time.Now().Add(patience)); err != nil &&
		!errors.Is(err, net.ErrClosed) {
		t.Fatal(err)
	}
	said := make([]byte, 64)
	n, err := notify.Read(said)
	for err == nil && strings.Contains(string(said[:n]), "STOPPING=1") {
		n, err = notify.Read(said) // that was the life before, which has handed over
	}
	if err != nil {
		select {
		case <-m.ended:
			return fmt.Errorf("ended before it served: %w", m.err)
		default:
			return fmt.Errorf("not ready: %w", err)
		}
	}
	if got := string(said[:n]); !strings.Contains(got, "READY=1") {
		return fmt.Errorf("said %q instead of that it is ready", got)
	}
	return nil
}

// needFuse skips the test where nothing can be mounted.
func needFuse(t *testing.T) {
	t.Helper()
	if f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0); err != nil {
		missing(t, "fuse", err.Error())
	} else {
		f.Close()
	}
	if _, err := exec.LookPath("fusermount3"); err != nil && os.Getuid() != 0 {
		missing(t, "fuse", "fusermount3 is needed to mount without being root")
	}
}

// run runs another command of s3share in the mount's environment. If the command hangs, it
// and the daemon print what their goroutines wait for, and end.
func (m *mount) run(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), testPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, s3shareBin, args...)
	cmd.Env = m.env
	cmd.Cancel = func() error {
		return errors.Join(m.cmd.Process.Signal(unix.SIGQUIT), cmd.Process.Signal(unix.SIGQUIT))
	}
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// unmount waits until all is delivered and the mount is undone.
func (m *mount) unmount() {
	m.t.Helper()
	m.done = true
	out, err := m.run("unmount", "--timeout", patience.String(), m.dir)
	// A conflict copy is delivered as well.
	if err != nil && !strings.Contains(out, "beside the other party's version") {
		m.t.Errorf("unmount: %v\n%s", err, out)
		return
	}
	select {
	case <-m.ended:
	case <-time.After(patience):
		m.t.Errorf("the daemon lives %s after its mount was undone", patience)
	}
}

// abandon lets the mount end with something undelivered.
func (m *mount) abandon() {
	m.t.Helper()
	m.done = true
	if out, err := m.run("unmount", "--keep", m.dir); err == nil {
		m.t.Errorf("unmount --keep = 0, want 1 since something is left\n%s", out)
	}
}

// end undoes whatever is left of the mount, and shows what it said if the test
// failed.
func (m *mount) end() {
	select {
	case <-m.ended:
	default:
		if !m.done {
			m.unmount()
		}
	}
	m.life.Close()
	select {
	case <-m.ended:
	default:
		_ = m.cmd.Process.Kill()
		<-m.ended
	}
	// Where the daemon was killed, a dead mount stays.
	if err := unix.Unmount(m.dir, unix.MNT_DETACH); errors.Is(err, unix.EPERM) {
		_ = exec.Command("fusermount3", "-uzq", m.dir).Run()
	}
	if !m.t.Failed() {
		return
	}
	var said strings.Builder
	for line := range strings.Lines(m.log.String()) {
		if testing.Verbose() || !strings.Contains(line, "level=INFO") {
			said.WriteString(line)
		}
	}
	const most = 20000
	all := said.String()
	if all == "" {
		return
	}
	m.t.Logf("what the mount on %s said, with all that went well if -v is given:\n%s",
		m.dir, all[max(0, len(all)-most):])
}

// path is where a key is found in the mount.
func (m *mount) path(key string) string { return m.dir + "/" + key }

// write writes a file, as editors and shells do: open, write, close.
func (m *mount) write(key string, content []byte) {
	m.t.Helper()
	if err := os.WriteFile(m.path(key), content, 0o644); err != nil {
		m.t.Fatal(err)
	}
}

// read reads a file.
func (m *mount) read(key string) []byte {
	m.t.Helper()
	b, err := os.ReadFile(m.path(key))
	if err != nil {
		m.t.Fatal(err)
	}
	return b
}

// names lists a folder.
func (m *mount) names(folder string) []string {
	m.t.Helper()
	entries, err := os.ReadDir(m.path(folder))
	if err != nil {
		m.t.Fatal(err)
	}
	names := []string{}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// fileState is a file's user.s3share.state, or why there is none.
func (m *mount) fileState(key string) string {
	value, err := xattr(m.path(key), "user.s3share.state")
	if err != nil {
		return err.Error()
	}
	return value
}

func xattr(path, name string) (string, error) {
	b := make([]byte, 4096)
	n, err := uninterrupted(func() (int, error) { return unix.Getxattr(path, name, b) })
	if err != nil {
		return "", err
	}
	return string(b[:n]), nil
}

// awaitDelivered waits until S3 has confirmed the file.
func (m *mount) awaitDelivered(key string) {
	m.t.Helper()
	var got string
	defer func() {
		if m.t.Failed() {
			m.t.Logf("%s is %s", key, got)
		}
	}()
	await(m.t, "the delivery of "+key, func() bool {
		got = m.fileState(key)
		return got == "delivered"
	})
}

// deliver writes a file and waits until S3 has confirmed it.
func (m *mount) deliver(key string, content []byte) {
	m.t.Helper()
	m.write(key, content)
	m.awaitDelivered(key)
}

// awaitContent waits until the file is seen here with this content; the kernel
// and s3share may believe an older answer for a second.
func (m *mount) awaitContent(key string, want []byte) {
	m.t.Helper()
	var got []byte
	var err error
	defer func() {
		if m.t.Failed() {
			m.t.Logf("%s: %s, %v", key, brief(got), err)
		}
	}()
	await(m.t, fmt.Sprintf("%s in %s", brief(want), key), func() bool {
		got, err = os.ReadFile(m.path(key))
		return err == nil && bytes.Equal(got, want)
	})
}

// awaitName waits until the folder lists the name, or until it does not.
func (m *mount) awaitName(key string, listed bool) {
	m.t.Helper()
	dir, name := filepath.Split(key)
	what := "lists"
	if !listed {
		what = "does not list"
	}
	await(m.t, fmt.Sprintf("a %q that %s %q", dir, what, name), func() bool {
		entries, err := os.ReadDir(m.path(dir))
		if err != nil {
			return false
		}
		for _, e := range entries {
			if e.Name() == name {
				return listed
			}
		}
		return !listed
	})
}

// wantErrno fails the test unless err is of the errno.
func wantErrno(t *testing.T, call string, err error, want unix.Errno) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s = %v, want %v", call, err, want)
	}
}
