package daemon

import (
	"bufio"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/cmd/s3share/internal/testhome"
)

// desktop is a service that shows notices.
type desktop struct{ shown chan [2]string }

func (d desktop) Notify(_ string, _ uint32, _, summary, body string, _ []string, _ map[string]dbus.Variant, _ int32) (uint32, *dbus.Error) {
	d.shown <- [2]string{summary, body}
	return 1, nil
}

// startBus starts a bus for this test, on which anybody may have any name, and returns its address.
func startBus(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("dbus-daemon")
	testhome.Need(t, "dbus-daemon", err == nil, "no dbus-daemon")
	cmd := exec.Command(program, "--session", "--nofork", "--print-address", "--address=unix:path="+filepath.Join(t.TempDir(), "bus"))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(address)
}

// newDesktop starts a session bus of the test's own, with a desktop on it.
func newDesktop(t *testing.T) desktop {
	t.Helper()
	address := startBus(t)
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", address)
	conn, err := dbus.Connect(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	d := desktop{make(chan [2]string, 10)}
	if err := conn.Export(d, "/org/freedesktop/Notifications", "org.freedesktop.Notifications"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.RequestName("org.freedesktop.Notifications", dbus.NameFlagDoNotQueue); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestNotices has news come together: each kind is one notice, however many files.
func TestNotices(t *testing.T) {
	d := newDesktop(t)
	n := newNotices("/mnt/team", slog.New(slog.DiscardHandler))
	defer n.close()
	for range 100 {
		n.add(blocked)
	}
	n.add(beside)
	got := map[string]string{}
	for range 2 {
		select {
		case s := <-d.shown:
			got[s[0]] = s[1]
		case <-time.After(time.Minute):
			t.Fatalf("the desktop was told %v, want two notices", got)
		}
	}
	for summary, body := range map[string]string{
		"100 files cannot be delivered":  strings.Repeat("Delivery/b: access denied\n", noticeNames) + "and 97 more\ns3share status /mnt/team",
		"1 file changed by both parties": "Delivery/c: ours is c (conflict)\ns3share status /mnt/team",
	} {
		if got[summary] != body {
			t.Errorf("%q says %q, want %q; all: %q", summary, got[summary], body, got)
		}
	}
}

// TestNoDesktop costs nothing, and holds up nobody, where there is no session bus
// or none that answers.
func TestNoDesktop(t *testing.T) {
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "")
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	n := newNotices("/mnt", slog.New(slog.DiscardHandler))
	if n != nil {
		t.Error("there is a desktop without a bus")
	}
	n.add(blocked)
	n.close()
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path="+filepath.Join(os.TempDir(), "no-such-bus"))
	n = newNotices("/mnt", slog.New(slog.DiscardHandler))
	n.add(outbox.Status{State: outbox.NoLogin})
	n.close()
}
