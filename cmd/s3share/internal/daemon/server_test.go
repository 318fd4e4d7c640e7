package daemon

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/s3share/s3share/cmd/s3share/internal/testhome"
)

// TestTheControlSocketAnswersItsOwnUser has another user connect, whom the modes of the
// socket would let.
func TestTheControlSocketAnswersItsOwnUser(t *testing.T) {
	testhome.Need(t, "root", os.Getuid() == 0, "only root can act as another user")
	const python = "/usr/bin/python3" // which others can run, too
	_, err := os.Stat(python)
	testhome.Need(t, "python3", err == nil, python+" is needed to connect as another user")
	dir, err := os.MkdirTemp("/tmp", "s3c-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	r := runDaemon(t, nil, nil)
	socket := filepath.Join(dir, "s")
	c, err := listenControl(socket)
	if err != nil {
		t.Fatal(err)
	}
	c.serve(r.mountDaemon)
	defer c.close()
	for _, path := range []string{dir, socket} {
		if err := os.Chmod(path, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	const script = `import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
try:
    s.sendall(b"GET /status HTTP/1.0\r\n\r\n")
    print("answered", s.recv(100))
except (BrokenPipeError, ConnectionResetError):
    print("answered", b"")`
	ask := func(uid uint32) string {
		cmd := exec.CommandContext(t.Context(), python, "-I", "-c", script, socket)
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return string(bytes.TrimSpace(out))
	}
	if got := ask(0); !strings.Contains(got, "200 OK") {
		t.Errorf("its own user: %s", got)
	}
	if got := ask(61002); got != "answered b''" {
		t.Errorf("another user: %s", got)
	}
}
