package daemon

import (
	"context"
	"sync"
	"time"

	"github.com/godbus/dbus/v5"
)

// NetworkManager knows whether the connection is metered: by its settings, or by a guess, as for a
// phone's hotspot.
// Source: NetworkManager D-Bus API, org.freedesktop.NetworkManager, Metered and NMMetered.
const (
	networkManager     = "org.freedesktop.NetworkManager"
	networkManagerPath = dbus.ObjectPath("/org/freedesktop/NetworkManager")
	meteredYes         = 1
	meteredGuessYes    = 3
)

const (
	// meteredTimeout is how long NetworkManager may take to answer.
	meteredTimeout = 2 * time.Second
	// meteredRetry is how soon it is looked for again, where there is none.
	meteredRetry = time.Minute
)

// isMetered reports whether a value of NetworkManager's property means that the connection is
// metered. An unknown one is not.
func isMetered(value uint32) bool { return value == meteredYes || value == meteredGuessYes }

// systemBus connects to the system bus.
func systemBus(ctx context.Context) (*dbus.Conn, error) {
	return dbus.ConnectSystemBus(dbus.WithContext(ctx))
}

// keepMetered calls changed with whether the connection is metered, now and whenever that may have
// changed, until stop is called. It returns after the first call, or if there is no answer in time.
func keepMetered(connect func(context.Context) (*dbus.Conn, error),
	changed func(bool)) (stop func()) {
	first := make(chan struct{})
	stop = background(func(ctx context.Context) {
		told := sync.OnceFunc(func() { close(first) })
		tell := func(metered bool) {
			if ctx.Err() == nil { // else the answer is that of a call that was cut off
				changed(metered)
			}
			told()
		}
		for {
			followMetered(ctx, connect, tell)
			tell(false) // there is no NetworkManager
			select {
			case <-ctx.Done():
				return
			case <-time.After(meteredRetry):
			}
		}
	})
	select {
	case <-first:
	case <-time.After(meteredTimeout):
	}
	return stop
}

// followMetered calls changed until the bus or ctx ends.
func followMetered(ctx context.Context,
	connect func(context.Context) (*dbus.Conn, error), changed func(bool)) {
	conn, err := connect(ctx)
	if err != nil {
		return
	}
	defer conn.Close()
	signals := make(chan *dbus.Signal, 16)
	conn.Signal(signals)
	for _, match := range [][]dbus.MatchOption{
		{dbus.WithMatchObjectPath(networkManagerPath),
			dbus.WithMatchInterface("org.freedesktop.DBus.Properties"),
			dbus.WithMatchMember("PropertiesChanged")},
		{dbus.WithMatchInterface("org.freedesktop.DBus"), dbus.WithMatchMember("NameOwnerChanged"),
			dbus.WithMatchArg(0, networkManager)},
	} {
		if err := conn.AddMatchSignalContext(ctx, match...); err != nil {
			return
		}
	}
	for {
		// Whatever the signal has: it may be old, and the sender anybody.
		changed(askMetered(ctx, conn))
		select {
		case <-ctx.Done():
			return
		case _, open := <-signals:
			if !open {
				return
			}
		}
	}
}

// askMetered asks NetworkManager. Without an answer, the connection counts as not metered.
func askMetered(ctx context.Context, conn *dbus.Conn) bool {
	ctx, cancel := context.WithTimeout(ctx, meteredTimeout)
	defer cancel()
	var value dbus.Variant
	err := conn.Object(networkManager, networkManagerPath).CallWithContext(ctx,
		"org.freedesktop.DBus.Properties.Get", dbus.FlagNoAutoStart, networkManager,
		"Metered").Store(&value)
	n, ok := value.Value().(uint32)
	return err == nil && ok && isMetered(n)
}
