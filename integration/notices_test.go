package integration

import (
	"fmt"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"golang.org/x/sync/errgroup"
)

// noticeBoard is a desktop that shows notices.
type noticeBoard struct{ shown chan string }

// Notify implements the method of that name.
func (b noticeBoard) Notify(_ string, _ uint32, _, summary, _ string, _ []string,
	_ map[string]dbus.Variant, _ int32) (uint32, *dbus.Error) {
	b.shown <- summary
	return 1, nil
}

// TestArrivalsAreOneNotice has the other party deliver 500 files, while a program here writes one:
// the desktop shows one notice, of the 500.
func TestArrivalsAreOneNotice(t *testing.T) {
	t.Parallel()
	conn, address := startBus(t)
	b := noticeBoard{make(chan string, 10)}
	if err := conn.Export(b, "/org/freedesktop/Notifications",
		"org.freedesktop.Notifications"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.RequestName("org.freedesktop.Notifications",
		dbus.NameFlagDoNotQueue); err != nil {
		t.Fatal(err)
	}
	direct := newExchange(t, "full")
	direct.put(owner, submissions+"before.txt", []byte("before"), true)
	x, gateway := direct.through(t)
	var looks atomic.Int32 // at the last folder, which no program here opens
	gateway.when(func(op string, _ http.ResponseWriter, r *http.Request) bool {
		if q := r.URL.Query(); op == "ListObjectsV2" && q.Get("prefix") == delivery &&
			!q.Has("delimiter") && !q.Has("max-keys") {
			looks.Add(1)
		}
		return false
	})
	m := x.place(t, client)
	m.env = append(m.env, "DBUS_SESSION_BUS_ADDRESS="+address, "DBUS_SYSTEM_BUS_ADDRESS="+address)
	if err := m.start(filepath.Dir(m.dir)); err != nil {
		t.Fatal(err)
	}
	await(t, "the folders are listed", func() bool { return looks.Load() > 0 })
	m.write(submissions+"ours.txt", []byte("ours"))
	var g errgroup.Group
	g.SetLimit(8)
	for i := range 500 {
		g.Go(func() error {
			_, err := direct.tryPut(owner,
				fmt.Sprintf("%sbatch/%03d", submissions, i), []byte("x"), true)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-b.shown:
		if want := "500 files arrived in Submissions"; got != want {
			t.Errorf("the notice is %q, want %q", got, want)
		}
	case <-time.After(patience):
		t.Fatal("no notice is shown")
	}
	m.unmount()
	select {
	case got := <-b.shown:
		t.Errorf("another notice is shown: %q", got)
	default:
	}
}
