package daemon

import (
	"context"
	"os"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
)

// The service manager's logind knows who wants a machine to stay up.
// Source: org.freedesktop.login1(5), Manager.Inhibit, and systemd-inhibit(1).
const (
	logind      = "org.freedesktop.login1"
	logindPath  = dbus.ObjectPath("/org/freedesktop/login1")
	inhibitCall = "org.freedesktop.login1.Manager.Inhibit"
)

const (
	// inhibitTimeout is how long logind may take to answer.
	inhibitTimeout = 2 * time.Second
	// inhibitRetry is how soon it is asked again where it is not there, or has refused.
	inhibitRetry = time.Minute
	// inhibitLook lies between two looks at what waits. A look that takes long is followed by a
	// pause of inhibitIdle times as long.
	inhibitLook = 2 * time.Second
	inhibitIdle = 50
	// longDelivery is how long files are on their way before a notice is worth it when they have
	// arrived.
	longDelivery = 30 * time.Second
)

// inhibitor has the desktop ask before the machine is shut down or sleeps, as long as files are on
// their way.
type inhibitor struct {
	connect func(context.Context) (*dbus.Conn, error) // to the system bus
	status  func() []outbox.Status
	held    func() bool // reports whether nothing is sent: it is paused, or S3 is out of reach
	done    func(control.Event)
	label   string        // of the exchange, for people
	look    time.Duration // see inhibitLook
	long    time.Duration // see longDelivery

	lock  *os.File // of logind; nil for none
	next  time.Time
	since time.Time // when files began to be on their way; zero while none are
	tally control.Tally
}

// keepInhibited lets the desktop know from now on while files are on their way.
func (d *mountDaemon) keepInhibited() (stop func()) {
	in := &inhibitor{
		connect: systemBus, status: d.deliveries.Status, label: d.destinationName(),
		look: inhibitLook, long: longDelivery,
		held: func() bool { return d.deliveries.Suspension() != nil || d.bucket.Contact().Offline },
		done: func(e control.Event) {
			d.notices.add(outbox.Status{State: noticeDelivered,
				Reason: ui.Count(e.Done, "file") + ", " + ui.SizeText(e.DoneBytes)})
		},
	}
	return background(in.run)
}

func (in *inhibitor) run(ctx context.Context) {
	defer in.release()
	for {
		began := time.Now()
		in.once(ctx)
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(in.look, inhibitIdle*time.Since(began))):
		}
	}
}

// once looks at what waits.
func (in *inhibitor) once(ctx context.Context) {
	all := in.status()
	moving := false
	for _, st := range all {
		moving = moving || isWaiting(st)
	}
	in.tally.Add("", all)
	if len(control.Undelivered(all)) == 0 {
		if e := in.tally.Event(); e.Done > 0 && !in.since.IsZero() &&
			time.Since(in.since) >= in.long {
			in.done(e)
		}
		in.tally, in.since = control.Tally{}, time.Time{}
	} else if moving && in.since.IsZero() {
		in.since = time.Now()
	}
	switch {
	case !moving || in.held():
		in.release()
	case in.lock == nil && !time.Now().Before(in.next):
		in.take(ctx)
	}
}

// take asks logind for a lock. If there is no logind, or it refuses, nothing delays a shutdown.
func (in *inhibitor) take(ctx context.Context) {
	in.next = time.Now().Add(inhibitRetry)
	ctx, cancel := context.WithTimeout(ctx, inhibitTimeout)
	defer cancel()
	conn, err := in.connect(ctx)
	if err != nil {
		return
	}
	defer conn.Close()
	var fd dbus.UnixFD
	why := "files are on their way to " + hint.Printable(in.label)
	err = conn.Object(logind, logindPath).CallWithContext(ctx, inhibitCall, dbus.FlagNoAutoStart,
		"shutdown:sleep", "s3share", why, "block").Store(&fd)
	if err == nil {
		in.lock = os.NewFile(uintptr(fd), "logind")
	}
}

func (in *inhibitor) release() {
	if in.lock != nil {
		in.lock.Close()
		in.lock, in.next = nil, time.Time{}
	}
}
