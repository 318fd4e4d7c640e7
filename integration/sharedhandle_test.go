package integration

import (
	"bytes"
	"fmt"
	"strconv"
	"testing"
)

// sharedWriting opens files, writes a head to each, and forks. One of both processes
// appends to each, sooner or later after the other was told to close it. Then the daemon
// is killed.
const sharedWriting = `
import os, signal, sys, time
who, daemon, names = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
files = [os.open(n, os.O_CREAT | os.O_WRONLY, 0o644) for n in names]
for f in files:
    os.write(f, b"h" * 1000)
begun, begins = os.pipe()
child = os.fork() == 0
if child == (who == "child"):
    for i, f in enumerate(files):
        os.write(begins, b".")
        until = time.monotonic() + i * 10e-6
        while time.monotonic() < until:
            pass
        os.write(f, b"t" * 5000)
    for f in files:
        os.close(f)
else:
    for f in files:
        os.read(begun, 1)
        os.close(f)
if child:
    os._exit(0)
failed = os.wait()[1]
os.kill(daemon, signal.SIGKILL)
sys.exit(failed and "the child failed")
`

// TestForkedWriterAndKill has one process close what another, which shares its
// descriptors, still writes, and kills the daemon once both have closed: the next one
// delivers each file whole, or keeps it as interrupted with all that was written.
func TestForkedWriterAndKill(t *testing.T) {
	needTools(t, "python3")
	x := newExchange(t, "article")
	whole := append(bytes.Repeat([]byte("h"), 1000), bytes.Repeat([]byte("t"), 5000)...)
	m := x.mount(client)
	m.done = true
	const rounds, files = 4, 100
	for round := range rounds {
		writer := []string{"parent", "child"}[round%2]
		var keys, args []string
		for i := range files {
			keys = append(keys, fmt.Sprintf("%s%s-%d-%d", delivery, writer, round, i))
			args = append(args, m.path(keys[i]))
		}
		shell(t, `python3 -c "$@"`,
			append([]string{sharedWriting, writer, strconv.Itoa(m.cmd.Process.Pid)}, args...)...)
		m.bury()
		m = m.revive(t)
		m.done = true
		interrupted := map[string]bool{}
		for _, f := range m.awaitRest() {
			if f.State != "interrupted" {
				t.Errorf("%v, want it delivered or interrupted", f)
			}
			interrupted[f.Key] = true
		}
		for _, key := range keys {
			if interrupted[key] {
				if got := m.read(key); !bytes.Equal(got, whole) {
					t.Errorf("%s is kept as %s", key, brief(got))
				}
			} else if got, err := x.get(owner, key); err != nil || !bytes.Equal(got, whole) {
				t.Errorf("%s was delivered as %s, %v", key, brief(got), err)
			}
		}
		t.Logf("the %s wrote last: %d of %d files are interrupted", writer, len(interrupted), files)
	}
	if _, err := m.run("unmount", "--keep", m.dir); err != nil {
		t.Logf("files are left: %v", err)
	}
}
