package daemon

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestWatchdogHearsNothingOfAHungMount has a mount answer, hang, answer again, and fail.
func TestWatchdogHearsNothingOfAHungMount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var reports atomic.Int64
		mount := make(chan bool) // its answers
		go every(ctx, time.Second, func(ctx context.Context) bool {
			select {
			case answer := <-mount:
				return answer
			case <-ctx.Done():
				return false
			}
		}, func() { reports.Add(1) })
		for _, step := range []struct {
			does    string
			answers []bool
		}{
			{"hangs", nil}, {"answers", []bool{true, true, true}}, {"hangs again", nil}, {"fails", []bool{false, false}}, {"answers again", []bool{true}},
		} {
			reports.Store(0)
			want := int64(0)
			for _, answer := range step.answers {
				mount <- answer
				if answer {
					want++
				}
			}
			time.Sleep(time.Minute)
			if got := reports.Load(); got != want {
				t.Errorf("%d reports while the mount %s, want %d", got, step.does, want)
			}
		}
	})
}

// TestServiceManagerIsNotLeftToOthers looks for the variables of sd_notify(3) once they are taken
// in.
func TestServiceManagerIsNotLeftToOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, tt := range []struct {
		usec string
		want time.Duration
	}{{"", 0}, {"180000000", 3 * time.Minute}, {"-1", 0}, {"soon", 0}} {
		t.Setenv(notifySocket, path)
		t.Setenv("WATCHDOG_USEC", tt.usec)
		t.Setenv("WATCHDOG_PID", "")
		m := newServiceManager()
		if m.socket != path || m.watchdog != tt.want {
			t.Errorf("WATCHDOG_USEC=%s is %+v, want %s", tt.usec, m, tt.want)
		}
		if left := newServiceManager(); left != (serviceManager{}) {
			t.Errorf("the environment still has %+v", left)
		}
		if err := m.notify("READY=1"); err != nil {
			t.Errorf("notify = %v", err)
		}
		b := make([]byte, 20)
		if n, err := l.Read(b); err != nil || string(b[:n]) != "READY=1" {
			t.Errorf("the service manager hears %q, %v", b[:n], err)
		}
	}
	if err := (serviceManager{}).notify("READY=1"); err != nil {
		t.Errorf("notify without a service manager = %v", err)
	}
}

// TestServiceManagerThatDoesNotRead fills the socket of one: a message is given up.
func TestServiceManagerThatDoesNotRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	defer func(was time.Duration) { notifyTimeout = was }(notifyTimeout)
	notifyTimeout = 50 * time.Millisecond
	m := serviceManager{socket: path}
	for range 10000 { // net.unix.max_dgram_qlen is 10 or 512
		if err = m.notify("WATCHDOG=1"); err != nil {
			break
		}
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("notify = %v, want that it gives up", err)
	}
}
