package integration

import (
	"os"
	"os/exec"
	"testing"
)

// TestForkWhileOpen starts programs while files on the mount are open. A child
// closes its copies of them in the middle of execve, which the daemon has to
// answer without asking the kernel for more than it gives of such a process.
func TestForkWhileOpen(t *testing.T) {
	t.Parallel()
	m := newExchange(t, "full").mount(owner)
	f, err := os.Create(m.path(delivery + "open"))
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if _, err := f.WriteString("line\n"); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.CommandContext(t.Context(), "true").CombinedOutput(); err != nil {
			t.Fatalf("true: %v\n%s", err, out)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	m.awaitDelivered(delivery + "open")
}
