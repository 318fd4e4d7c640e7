package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"pgregory.net/rapid"

	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/cmd/s3share/internal/control"
)

// login is a logind that gives out locks.
type login struct {
	lock dbus.UnixFD // never changes

	mu     sync.Mutex
	asked  []string
	refuse bool
}

// Inhibit implements the method of that name.
func (l *login) Inhibit(what, who, why, mode string) (dbus.UnixFD, *dbus.Error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked = append(l.asked, fmt.Sprint(what, " ", who, " ", why, " ", mode))
	if l.refuse {
		return 0, dbus.MakeFailedError(os.ErrPermission)
	}
	return l.lock, nil
}

func (l *login) setRefuse(is bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refuse = is
}

// requests returns what was asked so far.
func (l *login) requests() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.asked)
}

func newLogin(t *testing.T) (*login, func(context.Context) (*dbus.Conn, error)) {
	lock, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lock.Close() })
	l := &login{lock: dbus.UnixFD(lock.Fd())}
	bus := startBus(t)
	conn, err := dbus.Connect(bus)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.Export(l, logindPath, "org.freedesktop.login1.Manager"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.RequestName(logind, dbus.NameFlagDoNotQueue); err != nil {
		t.Fatal(err)
	}
	return l, func(ctx context.Context) (*dbus.Conn, error) {
		return dbus.Connect(bus, dbus.WithContext(ctx))
	}
}

// TestInhibited draws what waits, and whether it can be sent: logind's lock is held exactly while
// files are on their way.
func TestInhibited(t *testing.T) {
	l, connect := newLogin(t)
	rapid.Check(t, func(rt *rapid.T) {
		var all []outbox.Status
		held := false
		in := &inhibitor{
			connect: connect, label: "team", long: time.Hour,
			status: func() []outbox.Status { return all }, held: func() bool { return held },
		}
		defer in.release()
		states := []outbox.State{
			outbox.Open, outbox.Local, outbox.Sealed, outbox.Paused,
			outbox.Uploading, outbox.Removing,
			outbox.Blocked, outbox.Interrupted, outbox.Conflict, outbox.NotRemoved,
		}
		for range rapid.IntRange(1, 6).Draw(rt, "looks") {
			all = nil
			want := false
			for i := range rapid.IntRange(0, 3).Draw(rt, "files") {
				s := rapid.SampledFrom(states).Draw(rt, "state")
				want = want || s == outbox.Sealed || s == outbox.Uploading || s == outbox.Removing
				all = append(all, outbox.Status{Key: fmt.Sprint("Delivery/", i), State: s, Size: 1})
			}
			held = rapid.IntRange(0, 3).Draw(rt, "held") == 0
			was := in.lock
			in.once(t.Context())
			if in.lock != was && was != nil {
				if _, err := was.Stat(); !errors.Is(err, os.ErrClosed) {
					rt.Fatal("a lock was given up and is still held")
				}
			}
			if got := in.lock != nil; got != (want && !held) {
				rt.Fatalf("%v, held back: %v; the lock is held: %v", all, held, got)
			}
		}
	})
	const want = "shutdown:sleep s3share files are on their way to team block"
	if got := l.requests(); len(got) == 0 || got[0] != want {
		t.Errorf("logind was asked %q, want %q", got, want)
	}
}

// TestInhibitRefused: who is refused asks again after a while, and not at each look.
func TestInhibitRefused(t *testing.T) {
	l, connect := newLogin(t)
	l.setRefuse(true)
	in := &inhibitor{
		connect: connect, held: func() bool { return false },
		status: func() []outbox.Status {
			return []outbox.Status{{Key: "Delivery/a", State: outbox.Sealed}}
		},
	}
	for range 3 {
		in.once(t.Context())
	}
	if n := len(l.requests()); n != 1 || in.lock != nil {
		t.Errorf("asked %d times, want once", n)
	}
	l.setRefuse(false)
	in.next = time.Time{} // a minute later
	if in.once(t.Context()); in.lock == nil {
		t.Error("not asked again")
	}
	in.release()
}

// TestLongDeliveryIsTold: one notice when all that was long on its way has arrived, and none for
// what was removed meanwhile, took a moment, or is not all.
func TestLongDeliveryIsTold(t *testing.T) {
	file := func(i int, s outbox.State) outbox.Status {
		return outbox.Status{Key: fmt.Sprint("Delivery/", i), State: s, Size: 10}
	}
	for _, c := range []struct {
		name  string
		long  time.Duration
		looks [][]outbox.Status
		want  []int // files, of each notice
	}{
		{"all arrive", 0, [][]outbox.Status{{file(0, outbox.Sealed)}, {file(0, outbox.Uploading), file(1, outbox.Sealed)}, {}}, []int{2}},
		{"one is blocked", 0, [][]outbox.Status{{file(0, outbox.Sealed), file(1, outbox.Sealed)}, {file(1, outbox.Blocked)}}, nil},
		{"a moment", time.Hour, [][]outbox.Status{{file(0, outbox.Sealed)}, {}}, nil},
		{"twice", 0, [][]outbox.Status{{file(0, outbox.Sealed)}, {}, {}, {file(1, outbox.Sealed), file(2, outbox.Sealed)}, {}}, []int{1, 2}},
		{"removals", 0, [][]outbox.Status{{file(0, outbox.Removing)}, {}}, nil},
		{"open only", 0, [][]outbox.Status{{file(0, outbox.Open)}, {}}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []int
			look := 0
			in := &inhibitor{
				connect: func(context.Context) (*dbus.Conn, error) { return nil, os.ErrNotExist },
				held:    func() bool { return false }, long: c.long,
				status: func() []outbox.Status { return c.looks[look] },
				done:   func(e control.Event) { got = append(got, e.Done) },
			}
			for look = range c.looks {
				in.once(t.Context())
			}
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("notices of %v files, want %v", got, c.want)
			}
		})
	}
}
