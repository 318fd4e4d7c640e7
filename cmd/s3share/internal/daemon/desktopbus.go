package daemon

import (
	"context"
	"html"
	"slices"

	"github.com/godbus/dbus/v5"
)

// The desktop's notification service.
// Source: Desktop Notifications Specification, org.freedesktop.Notifications.
const (
	notifications     = "org.freedesktop.Notifications"
	notificationsPath = dbus.ObjectPath("/org/freedesktop/Notifications")
)

// maxShown is how many notifications are remembered that a person may still act upon.
const maxShown = 50

// desktopConn is a connection to the session bus, for notifications. If the notification service
// offers actions, it is kept open for them.
type desktopConn struct {
	conn    *dbus.Conn
	object  dbus.BusObject
	actions bool
	signals chan *dbus.Signal

	shown map[uint32]notification // with actions, by the service's ID
	ids   []uint32                // of shown, the oldest first
}

// connectDesktop connects to the bus, and asks the notification service what it can do.
// withActions is false if no action can be answered.
func connectDesktop(ctx context.Context, bus string, withActions bool) (*desktopConn, error) {
	conn, err := dbus.Connect(bus)
	if err != nil {
		return nil, err
	}
	d := &desktopConn{conn: conn, object: conn.Object(notifications, notificationsPath),
		shown: map[uint32]notification{}}
	var can []string
	if !withActions || d.object.CallWithContext(ctx, notifications+".GetCapabilities",
		0).Store(&can) != nil || !slices.Contains(can, "actions") {
		return d, nil
	}
	for _, member := range []string{"ActionInvoked", "NotificationClosed"} {
		err = conn.AddMatchSignalContext(ctx, dbus.WithMatchSender(notifications),
			dbus.WithMatchObjectPath(notificationsPath),
			dbus.WithMatchInterface(notifications), dbus.WithMatchMember(member))
		if err != nil {
			return d, nil
		}
	}
	d.actions, d.signals = true, make(chan *dbus.Signal, 16)
	conn.Signal(d.signals)
	return d, nil
}

// notify shows one notification.
func (d *desktopConn) notify(ctx context.Context, n notification) error {
	actions := []string{}
	if d.actions && n.actions != nil {
		actions = n.actions
	}
	var id uint32
	err := d.object.CallWithContext(ctx, notifications+".Notify", 0,
		"s3share", uint32(0), "folder-remote", n.summary, html.EscapeString(n.body),
		actions, map[string]dbus.Variant{}, int32(-1)).Store(&id)
	if err == nil && len(actions) > 0 {
		d.remember(id, n)
	}
	return err
}

func (d *desktopConn) remember(id uint32, n notification) {
	if _, known := d.shown[id]; !known {
		d.ids = append(d.ids, id)
	}
	d.shown[id] = n
	for len(d.ids) > maxShown {
		delete(d.shown, d.ids[0])
		d.ids = d.ids[1:]
	}
}

// invoked returns the notification that a signal is about, and the action that a person has
// chosen; ok is false for all other signals.
func (d *desktopConn) invoked(s *dbus.Signal) (n notification, action string, ok bool) {
	var id, reason uint32
	switch s.Name {
	case notifications + ".ActionInvoked":
		if dbus.Store(s.Body, &id, &action) != nil {
			return n, "", false
		}
		n, ok = d.shown[id]
	case notifications + ".NotificationClosed":
		if dbus.Store(s.Body, &id, &reason) == nil {
			delete(d.shown, id)
			d.ids = slices.DeleteFunc(d.ids, func(known uint32) bool { return known == id })
		}
	}
	return n, action, ok
}

func (d *desktopConn) close() { d.conn.Close() }

// notify shows notifications. The connection is closed after that unless there are actions.
func (n *notices) notify(ctx context.Context, all []notification) {
	ctx, cancel := context.WithTimeout(ctx, noticeTimeout)
	defer cancel()
	if n.desktop != nil && !n.desktop.conn.Connected() {
		n.disconnect()
	}
	var err error
	if n.desktop == nil {
		if n.desktop, err = connectDesktop(ctx, n.bus, n.acts.can()); err != nil {
			n.log.Debug("the desktop shows no notice", "err", err)
			return
		}
	}
	for _, one := range all {
		if err := n.desktop.notify(ctx, one); err != nil && ctx.Err() == nil {
			n.log.Debug("the desktop shows no notice", "err", err)
		}
	}
	if !n.desktop.actions {
		n.disconnect()
	}
}

func (n *notices) disconnect() {
	if n.desktop != nil {
		n.desktop.close()
		n.desktop = nil
	}
}
