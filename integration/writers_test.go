package integration

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestHalfAFileStaysHere has programs be ended by a signal while they write, as when memory
// is short or by Ctrl-C: what is left of the file is no delivery, whoever else has it
// open, in which order they close it and end, and whoever waits for them.
func TestHalfAFileStaysHere(t *testing.T) {
	t.Parallel()
	const ended = "interrupted"
	for _, c := range []struct {
		name, tool string
		script     string // bash; $1 is the file
		want       string // its state in the end
	}{
		{"a command of a shell script", "dash", `dash -c 'yes > "$1"; exit 0' dash "$1" & kill_child $! KILL; wait $!`, ended},
		{"a command to which the shell holds the descriptor", "dash", `dash -c 'exec 3> "$1"; yes >&3; exec 3>&-; exit 0' dash "$1" & kill_child $! KILL; wait $!`, ended},
		{"a command of a group, and the next goes on", "dash", `{ yes & pid=$!; await_bytes "$1"; kill -KILL $pid; wait $pid; echo end; } > "$1"`, ended},
		{"by os.system", "python3", `python3 -c 'import os, sys; os.system("yes > " + sys.argv[1])' "$1" & kill_child $! KILL; wait $!`, ended},
		{"by Popen", "python3", `python3 -c '
import subprocess, sys
with open(sys.argv[1], "wb") as f:
    subprocess.Popen(["yes"], stdout=f).wait()
' "$1" & kill_child $! TERM; wait $!`, ended},
		{"by make", "make", `printf 'all:\n\t-yes > "%s"\n' "$1" > Makefile; make & kill_child $! KILL; wait $!`, ended},
		{"dd by Ctrl-C", "dd", `env --default-signal=INT dd if=/dev/zero of="$1" bs=64k status=none & await_bytes "$1"; kill -INT $!; wait $!`, ended},
		{"with open by Ctrl-C", "python3", `python3 -c '
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
with open(sys.argv[1], "wb") as f:
    while True:
        f.write(b"half" * 1000)
' "$1" 2> /dev/null & await_bytes "$1"; kill -INT $!; wait $!`, ended},
		{"before it has written anything", "python3", `python3 -c '
import sys, time
f = open(sys.argv[1], "w")
f.write("in a buffer")
time.sleep(600)
' "$1" & await_file "$1"; kill -TERM $!; wait $!`, ended},
		{"through a map", "python3", `python3 -c '
import mmap, os, signal, sys
f = open(sys.argv[1], "w+b")
f.truncate(1 << 20)
m = mmap.mmap(f.fileno(), 1 << 20)
m[:5] = b"half "
m.flush()
os.kill(os.getpid(), signal.SIGKILL)
' "$1" & wait $!`, ended},
		{"by a thread", "python3", `python3 -c '
import os, signal, sys, threading
def write():
    with open(sys.argv[1], "wb") as f:
        f.write(b"half" * 100000)
    os.kill(os.getpid(), signal.SIGKILL)
t = threading.Thread(target=write); t.start(); t.join()
' "$1" & wait $!`, ended},
		{"by a thread, when the first one has ended", "python3", `python3 -c '
import ctypes, os, signal, sys, threading, time
libc = ctypes.CDLL(None)
def write():
    f = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
    os.write(f, b"half")
    while " Z " not in open("/proc/%d/task/%d/stat" % (os.getpid(), os.getpid())).read():
        time.sleep(0.01)
    os.write(f, b"half")
    os.close(os.dup(f))
    os.kill(os.getpid(), signal.SIGKILL)
threading.Thread(target=write).start()
libc.pthread_exit(0)
' "$1" & wait $!`, ended},
		{"tee, when nobody reads it any more", "tee", `set +o pipefail; { yes || :; } | tee "$1" | head -c 1000 > /dev/null`, ended},

		{"who reads ends before", "head", `set +o pipefail; { yes || :; } | head -c 100000 > "$1"`, "delivered"},
		{"it handles the signal and exits", "dash", `dash -c 'trap "exit 1" INT; echo so far; kill -INT $$' > "$1" || :`, "delivered"},
		{"it exits with an error", "dash", `dash -c 'echo so far; exit 9' > "$1" || :`, "delivered"},
		{"a child that writes nothing is killed", "dash", `dash -c 'sleep 600 & kill -KILL $!; wait $!; echo all' > "$1"`, "delivered"},
		{"who has opened it for another is killed, and that one goes on", "python3", `python3 -c '
import os, signal, subprocess, sys
f = open(sys.argv[1], "wb")
subprocess.Popen(["sh", "-c", "echo begun; read x < $0; echo all", sys.argv[2]], stdout=f)
os.kill(os.getpid(), signal.SIGKILL)
' "$1" "$PWD/fifo" & wait $!; echo > fifo`, "delivered"},
		{"it is written anew", "dash", `dash -c 'echo half; kill -KILL $$' > "$1" || :; echo all > "$1"`, "delivered"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			needTools(t, c.tool)
			const key = delivery + "file"
			x := newExchange(t, "full")
			m := x.mount(client)
			out, err := tryShell(t, `
				await_file() { until [ -e "$1" ]; do sleep 0.01; done; }
				await_bytes() { until [ -s "$1" ]; do sleep 0.01; done; }
				kill_child() {
					await_bytes "$file"
					until pid=$(pgrep -f "^yes" -P "$1" || pgrep -P "$(pgrep -P "$1")" -f "^yes"); do sleep 0.01; done
					kill "-$2" $pid
				}
				file=$1
				mkfifo fifo
				set +e
				`+c.script+"\n:", m.path(key))
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			await(t, "the file to be "+c.want, func() bool { return m.fileState(key) == c.want })
			if m.awaitRest(); m.fileState(key) != c.want {
				t.Errorf("in the end it is %s", m.fileState(key))
			}
			if c.want == "delivered" {
				return
			}
			if x.head(key) != nil {
				t.Error("it is in the bucket")
			}
			m.kill()
			m = m.revive(t)
			if left := m.awaitRest(); len(left) != 1 ||
				left[0].State != c.want || x.head(key) != nil {
				t.Errorf("after a remount there is %v", left)
			}
			m.abandon()
		})
	}
}

// TestWhoIsDoneWithAFile may be ended by whatever: it has gone on for the settle time.
func TestWhoIsDoneWithAFile(t *testing.T) {
	t.Parallel()
	const key = delivery + "file"
	m := newExchange(t, "full").mount(client)
	cmd := exec.Command("bash", "-c", `echo all > "$1"; exec sleep 600`, "bash", m.path(key))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, "the file to be delivered", func() bool { return m.fileState(key) == "delivered" })
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if left := m.awaitRest(); len(left) > 0 {
		t.Errorf("there is %v", left)
	}
}

// elsewhere are descriptors that a program has beside that of its file on a mount. None
// of them is one more of it.
var elsewhere = map[string]string{
	"of another file of its names":           `open(other, "r")`,
	"of another file of its names, to write": `open(other, "w")`,
	"of the file itself, to read":            `open(name, "r")`,
	"of a hundred other files":               `[open(other, "r") for i in range(100)]`,
}

// TestCloseSealsWhateverElseIsOpen closes a file while its program has others open. It
// arrives though the daemon is killed at once.
func TestCloseSealsWhateverElseIsOpen(t *testing.T) {
	t.Parallel()
	needTools(t, "python3")
	for name, open := range elsewhere {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const key = delivery + "q3.csv"
			x := newExchange(t, "full")
			m := x.mount(client)
			done := m.program(t, key, open, `print("closed", flush=True); sys.stdin.read()`)
			m.kill()
			done()
			m.revive(t)
			x.awaitObject(key, []byte("all of it"))
		})
	}
}

// TestSyncWaitsWhateverElseIsOpen is the same where close means delivered.
func TestSyncWaitsWhateverElseIsOpen(t *testing.T) {
	t.Parallel()
	needTools(t, "python3")
	for name, open := range elsewhere {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const key = delivery + "q3.csv"
			x := newExchange(t, "full")
			m := x.mount(client, "-o", "sync")
			done := m.program(t, key, open, `print("closed", flush=True); sys.stdin.read()`)
			if x.head(key) == nil {
				t.Error("the close did not wait for S3")
			}
			done()
		})
	}
}

// program writes a file, opens something else as well, closes the first, and does then.
// It returns when that was printed; done lets the program end.
func (m *mount) program(t *testing.T, key, open, then string) (done func()) {
	t.Helper()
	other := filepath.Join(t.TempDir(), filepath.FromSlash(key))
	if err := os.MkdirAll(filepath.Dir(other), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(other, []byte("another"), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("python3", "-c", fmt.Sprintf(`
import sys
name, other = sys.argv[1:]
f = open(name, "wb")
f.write(b"all of it")
f.flush()
more = %s
f.close()
%s
`, open, then), m.path(key), other)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 100)
	if n, err := out.Read(line); err != nil || !strings.HasPrefix(string(line[:n]), "closed") {
		t.Fatalf("the program said %q, %v\n%s", line[:n], err, &said)
	}
	return func() {
		in.Close()
		_ = cmd.Wait() // its other file may be of a mount that is gone
	}
}

// TestCloseOfADuplicate does not seal: the program has the file open.
func TestCloseOfADuplicate(t *testing.T) {
	t.Parallel()
	needTools(t, "python3")
	const key = delivery + "file"
	x := newExchange(t, "full")
	m := x.mount(client)
	done := m.program(t, key, `__import__("os").dup(f.fileno())`,
		`print("closed", flush=True); sys.stdin.read()`)
	m.kill()
	done()
	m = m.revive(t)
	if left := m.awaitRest(); len(left) != 1 ||
		left[0].State != "interrupted" || x.head(key) != nil {
		t.Errorf("a file that was open when the daemon was killed: %v", left)
	}
	m.abandon()
}

// TestSyncTellsOfAHalfFile: where close means delivered, it is an error where the file is
// not, since a process that wrote it was killed.
func TestSyncTellsOfAHalfFile(t *testing.T) {
	t.Parallel()
	needTools(t, "python3")
	const key = delivery + "file"
	x := newExchange(t, "full")
	m := x.mount(client, "-o", "sync")
	out, err := tryShell(t, `python3 -c '
import subprocess, sys
f = open(sys.argv[1], "wb")
p = subprocess.Popen(["sh", "-c", "echo half; kill -KILL $$"], stdout=f)
p.wait()
f.close()
' "$1"`, m.path(key))
	if err == nil || !strings.Contains(out, "OSError") {
		t.Errorf("close returned without an error\n%s", out)
	}
	if x.head(key) != nil || m.fileState(key) != "interrupted" {
		t.Errorf("it is %s", m.fileState(key))
	}
	m.abandon()
}

// TestManyOpenFiles closes each of more files than are looked at in a close.
func TestManyOpenFiles(t *testing.T) {
	t.Parallel()
	needTools(t, "python3")
	for _, options := range [][]string{nil, {"-o", "sync"}} {
		t.Run(strings.Join(options, " "), func(t *testing.T) {
			t.Parallel()
			x := newExchange(t, "full")
			m := x.mount(client, options...)
			shell(t, `python3 -c '
import sys
files = [open(sys.argv[1] + str(i), "wb") for i in range(200)]
for i, f in enumerate(files):
    f.write(b"%d" % i)
    f.close()
' "$1"`, m.path(delivery))
			if options == nil {
				m.awaitRest()
			}
			if n := len(x.list()); n != 200 {
				t.Errorf("the bucket holds %d objects, want 200", n)
			}
		})
	}
}
