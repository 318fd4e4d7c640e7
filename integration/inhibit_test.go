package integration

import (
	"bufio"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

// lockGiver is logind, which gives out one lock.
type lockGiver struct {
	lock  dbus.UnixFD
	asked chan string
}

// Inhibit implements the method of that name.
func (g lockGiver) Inhibit(what, _, _, mode string) (dbus.UnixFD, *dbus.Error) {
	g.asked <- what + " " + mode
	return g.lock, nil
}

// startBus starts a bus on which anybody may have any name, and connects to it.
func startBus(t *testing.T) (conn *dbus.Conn, address string) {
	t.Helper()
	program, err := exec.LookPath("dbus-daemon")
	if err != nil {
		missing(t, "dbus-daemon", err.Error())
	}
	bus := exec.CommandContext(t.Context(), program, "--session", "--nofork", "--print-address",
		"--address=unix:path="+filepath.Join(t.TempDir(), "bus"))
	out, err := bus.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := bus.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bus.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	address = strings.TrimSpace(line)
	if conn, err = dbus.Connect(address); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn, address
}

// TestShutdownIsHeldWhileFilesAreOnTheirWay has S3 take its time for a file: logind's lock is held
// until S3 has it. That does not depend on whether notifications are shown.
func TestShutdownIsHeldWhileFilesAreOnTheirWay(t *testing.T) {
	t.Parallel()
	conn, address := startBus(t)
	seen, lock, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer seen.Close()
	g := lockGiver{dbus.UnixFD(lock.Fd()), make(chan string, 1)}
	if err := conn.Export(g, "/org/freedesktop/login1",
		"org.freedesktop.login1.Manager"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.RequestName("org.freedesktop.login1", dbus.NameFlagDoNotQueue); err != nil {
		t.Fatal(err)
	}

	direct := newExchange(t, "full")
	x, gateway := direct.through(t)
	let := make(chan struct{})
	gateway.when(func(op string, _ http.ResponseWriter, r *http.Request) bool {
		if op == "PutObject" {
			select {
			case <-let:
			case <-r.Context().Done():
			}
		}
		return false
	})
	m := x.place(t, client, "-o", "notices=false")
	m.env = append(m.env, "DBUS_SESSION_BUS_ADDRESS="+address, "DBUS_SYSTEM_BUS_ADDRESS="+address)
	if err := m.start(filepath.Dir(m.dir)); err != nil {
		t.Fatal(err)
	}
	m.write(delivery+"slow.txt", []byte("slow"))
	select {
	case what := <-g.asked:
		if what != "shutdown:sleep block" {
			t.Errorf("logind was asked for %q", what)
		}
	case <-time.After(patience):
		t.Fatal("logind was not asked")
	}
	close(let)
	x.awaitObject(delivery+"slow.txt", []byte("slow"))
	lock.Close() // the daemon's is another descriptor of the pipe
	if err := seen.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := seen.Read(make([]byte, 1)); os.IsTimeout(err) {
		t.Error("the lock is still held")
	}
}
