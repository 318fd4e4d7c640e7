package daemon

import (
	"context"
	"net"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/s3share/s3share/cmd/s3share/internal/mounts"
)

// serviceManager reports the state of this process to systemd, or to any other program that
// has started it with the same protocol. The zero value reports nothing.
// Source: sd_notify(3).
type serviceManager struct {
	socket   string        // "" for none
	watchdog time.Duration // within which it has to hear of this process; 0 if it need not
}

// newServiceManager reads the service manager's variables from the environment, and removes them,
// so that programs that the daemon starts do not get them.
func newServiceManager() serviceManager {
	m := serviceManager{socket: os.Getenv(notifySocket)}
	os.Unsetenv(notifySocket)
	m.watchdog, _ = daemon.SdWatchdogEnabled(true) // what is no number asks for nothing
	return m
}

// notifySocket is the variable that names the socket of the service manager.
const notifySocket = "NOTIFY_SOCKET"

// notifyTimeout is how long a service manager may take to read a message: one that hangs does not
// keep a mount from ending. Tests change it.
var notifyTimeout = 5 * time.Second

// notify sends one message.
func (m serviceManager) notify(state string) error {
	if m.socket == "" {
		return nil
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: m.socket, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetWriteDeadline(time.Now().Add(notifyTimeout)); err != nil {
		return err
	}
	_, err = c.Write([]byte(state))
	return err
}

// keepWatchdog notifies the service manager from now on that this process works; while the mount
// serves, only if it answers. The service manager ends a process that does not notify it.
func (d *mountDaemon) keepWatchdog() {
	if d.manager.socket == "" || d.manager.watchdog == 0 {
		return
	}
	d.endWatchdog = background(func(ctx context.Context) {
		every(ctx, d.manager.watchdog/2, d.mountAnswers, func() {
			// If this fails, systemd notices that it gets no notification.
			_ = d.manager.notify(daemon.SdNotifyWatchdog)
		})
	})
}

// notifyStopping notifies the service manager that this process delivers nothing more, or for
// drainTimeout at most.
func (d *mountDaemon) notifyStopping() {
	_ = d.manager.notify(daemon.SdNotifyStopping) // nobody may listen any more
}

// every calls report at intervals until ctx ends, each time only after works, which may take
// any time, has returned true.
func every(ctx context.Context, interval time.Duration,
	works func(context.Context) bool, report func()) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if works(ctx) {
			report()
		}
	}
}

// mountAnswers waits until the mount answers, and reports whether it did before ctx ended. It is
// true if nothing is mounted any more.
func (d *mountDaemon) mountAnswers(ctx context.Context) bool {
	if !d.serving.Load() {
		return true
	}
	answer := make(chan bool, 1)
	go func() { answer <- mounts.Answers(d.dir) }() // it stays for as long as the mount hangs
	select {
	case answers := <-answer:
		return answers || !d.serving.Load()
	case <-d.gone:
		return true
	case <-ctx.Done():
		return false
	}
}
