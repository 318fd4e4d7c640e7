package daemon

import (
	"bufio"
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/cmd/s3share/internal/testhome"
)

// desktop is a service that shows notices. It offers actions if can names them.
type desktop struct {
	conn  *dbus.Conn
	can   []string
	shown chan shownNotice
}

type shownNotice struct {
	id            uint32
	summary, body string
	actions       []string
}

func (d desktop) Notify(_ string, _ uint32, _, summary, body string, actions []string,
	_ map[string]dbus.Variant, _ int32) (uint32, *dbus.Error) {
	id := uint32(len(summary) + len(body)) // another for each text of a test
	d.shown <- shownNotice{id, summary, body, actions}
	return id, nil
}

// GetCapabilities implements the method of that name.
func (d desktop) GetCapabilities() ([]string, *dbus.Error) { return d.can, nil }

// choose has a person choose an action.
func (d desktop) choose(t *testing.T, id uint32, action string) {
	t.Helper()
	if err := d.conn.Emit(notificationsPath, notifications+".ActionInvoked",
		id, action); err != nil {
		t.Fatal(err)
	}
}

// next returns the next notice.
func (d desktop) next(t *testing.T) shownNotice {
	t.Helper()
	select {
	case s := <-d.shown:
		return s
	case <-time.After(time.Minute):
		t.Fatal("the desktop shows no further notice")
		return shownNotice{}
	}
}

// startBus starts a bus for this test, on which anybody may have any name, and returns its address.
func startBus(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("dbus-daemon")
	testhome.Need(t, "dbus-daemon", err == nil, "no dbus-daemon")
	cmd := exec.Command(program, "--session", "--nofork", "--print-address",
		"--address=unix:path="+filepath.Join(t.TempDir(), "bus"))
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
func newDesktop(t *testing.T, can ...string) desktop {
	t.Helper()
	address := startBus(t)
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", address)
	conn, err := dbus.Connect(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	d := desktop{conn, can, make(chan shownNotice, 10)}
	if err := conn.Export(d, "/org/freedesktop/Notifications",
		"org.freedesktop.Notifications"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.RequestName("org.freedesktop.Notifications",
		dbus.NameFlagDoNotQueue); err != nil {
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
		s := d.next(t)
		got[s.summary] = s.body
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

// TestActions: a person who chooses an action is answered; a desktop without actions gets none.
func TestActions(t *testing.T) {
	d := newDesktop(t, "body", "actions")
	opened := make(chan []string, 1)
	if err := d.conn.Export(fileManager{opened}, "/org/freedesktop/FileManager1",
		"org.freedesktop.FileManager1"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.conn.RequestName("org.freedesktop.FileManager1",
		dbus.NameFlagDoNotQueue); err != nil {
		t.Fatal(err)
	}
	n := newNotices("/mnt/te am", slog.New(slog.DiscardHandler))
	defer n.close()
	stop := n.acts.start(func(s outbox.State) string { return "why " + string(s) },
		func(context.Context) string { return "trying" })
	n.add(blocked)
	shown := d.next(t)
	if want := []string{"default", "Open", "open", "Open", "why", "Why?", "retry",
		"Retry"}; !slices.Equal(shown.actions, want) {
		t.Fatalf("the actions are %q, want %q", shown.actions, want)
	}
	for action, want := range map[string]string{"why": "why blocked", "retry": "trying"} {
		d.choose(t, shown.id, action)
		if reply := d.next(t); reply.body != want || reply.summary != shown.summary ||
			len(reply.actions) > 0 {
			t.Errorf("%s is answered %+v, want %q", action, reply, want)
		}
	}
	d.choose(t, shown.id+1000, "why") // another program's notice
	d.choose(t, shown.id, "open")
	if got := <-opened; !slices.Equal(got, []string{"file:///mnt/te%20am/Delivery/b"}) {
		t.Errorf("the file manager is to open %q", got)
	}
	stop()
	d.choose(t, shown.id, "why") // is not answered any more
	d.choose(t, shown.id, "open")
	select {
	case reply := <-d.shown:
		t.Errorf("another program's notice, or one after the end, is answered %+v", reply)
	case <-opened:
		t.Error("a file manager is asked after the end")
	case <-time.After(100 * time.Millisecond):
	}
}

// fileManager opens what it is asked to.
type fileManager struct{ opened chan []string }

func (f fileManager) ShowItems(uris []string, _ string) *dbus.Error {
	f.opened <- uris
	return nil
}

// TestNoActions: a desktop that offers no actions gets none.
func TestNoActions(t *testing.T) {
	d := newDesktop(t, "body")
	n := newNotices("/mnt/team", slog.New(slog.DiscardHandler))
	defer n.close()
	defer n.acts.start(func(outbox.State) string { return "" },
		func(context.Context) string { return "" })()
	n.add(blocked)
	if shown := d.next(t); len(shown.actions) > 0 {
		t.Errorf("it gets %q", shown.actions)
	}
}
