package daemon

import (
	"context"
	"errors"
	"fmt"
	"html"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
)

const (
	// noticeDelay is how long news are collected for one notification.
	noticeDelay = time.Second
	// noticePause is the minimum time between two notifications.
	noticePause = 20 * time.Second
	// noticeTimeout is how long the desktop may take to show it.
	noticeTimeout = 5 * time.Second
	// noticeNames is how many files a notice names.
	noticeNames = 3
)

// States of the connection, in the place of a file's.
const (
	noticeOffline outbox.State = "offline"
	noticeOnline  outbox.State = "online"
)

// noticeDelivered is the news that files have arrived that took long.
const noticeDelivered outbox.State = "all delivered"

// notices shows desktop notifications of what a person should know. add never waits for the
// desktop. A nil *notices shows nothing.
type notices struct {
	dir    string // the mountpoint
	bus    string // the session bus's address
	log    *slog.Logger
	cancel context.CancelFunc
	ended  chan struct{}
	wake   chan struct{}

	mu   sync.Mutex
	news map[outbox.State]*stateNews // not shown yet
}

// stateNews is the news of one state.
type stateNews struct {
	files int
	names []string // the first of them, with their reasons
}

// newNotices returns the notifications of the mount on dir, or nil if there is no session bus.
func newNotices(dir string, log *slog.Logger) *notices {
	bus := sessionBus()
	if bus == "" {
		return nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	n := &notices{
		dir: dir, bus: bus, log: log, cancel: cancel, ended: make(chan struct{}), wake: make(chan struct{}, 1),
		news: map[outbox.State]*stateNews{},
	}
	go n.run(ctx)
	return n
}

// sessionBus returns the address of this user's session bus, "" for none. It starts none. Source:
// sd-bus(3), dbus-daemon(1).
func sessionBus() string {
	if address := os.Getenv("DBUS_SESSION_BUS_ADDRESS"); address != "" {
		return address
	}
	path := filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "bus")
	if info, err := os.Stat(path); !filepath.IsAbs(path) || err != nil || info.Mode()&os.ModeSocket == 0 {
		return ""
	}
	return "unix:path=" + path
}

// add adds the news of one status.
func (n *notices) add(st outbox.Status) {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	of := n.news[st.State]
	if of == nil {
		of = &stateNews{}
		n.news[st.State] = of
	}
	of.files++
	if len(of.names) < noticeNames {
		of.names = append(of.names, noticeLine(st))
	}
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

func noticeLine(st outbox.Status) string {
	switch st.State {
	case outbox.Conflict:
		return fmt.Sprintf("%s: ours is %s", hint.Printable(st.Theirs), filepath.Base(ui.NameText(st)))
	case outbox.NoLogin, outbox.Paused, noticeOffline, noticeOnline, noticeDelivered:
		return hint.OneLine(st.Reason)
	}
	return ui.NameText(st) + ": " + ui.ReasonText(st)
}

// close ends the notifications. What was not shown yet is in status.
func (n *notices) close() {
	if n != nil {
		n.cancel()
		<-n.ended
	}
}

func (n *notices) run(ctx context.Context) {
	defer close(n.ended)
	for {
		select {
		case <-n.wake:
		case <-ctx.Done():
			return
		}
		for _, pause := range []time.Duration{noticeDelay, noticePause} {
			if pause == noticePause {
				n.show(ctx)
			}
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return
			}
		}
	}
}

// show shows all that is new in one notification.
func (n *notices) show(ctx context.Context) {
	n.mu.Lock()
	news := n.news
	n.news = map[outbox.State]*stateNews{}
	n.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, noticeTimeout)
	defer cancel()
	err := n.notify(ctx, news)
	if err != nil && ctx.Err() == nil {
		n.log.Debug("the desktop shows no notice", "err", err)
	}
}

func (n *notices) notify(ctx context.Context, news map[outbox.State]*stateNews) error {
	conn, err := dbus.Connect(n.bus, dbus.WithContext(ctx))
	if err != nil {
		return err
	}
	defer conn.Close()
	desktop := conn.Object("org.freedesktop.Notifications", "/org/freedesktop/Notifications")
	var errs []error
	for state, of := range news {
		summary, body := n.words(state, of)
		// Source: Desktop Notifications Specification, org.freedesktop.Notifications.Notify.
		call := desktop.CallWithContext(ctx, "org.freedesktop.Notifications.Notify", 0,
			"s3share", uint32(0), "folder-remote", summary, html.EscapeString(body), []string{}, map[string]dbus.Variant{}, int32(-1))
		errs = append(errs, call.Err)
	}
	return errors.Join(errs...)
}

// words returns a notice's title and text.
func (n *notices) words(state outbox.State, of *stateNews) (summary, body string) {
	files := ui.Count(of.files, "file")
	then := "s3share status " + n.dir
	switch state {
	case outbox.Blocked:
		summary = files + " cannot be delivered"
	case outbox.Interrupted:
		summary = files + " not sent: the writing was interrupted"
	case outbox.Conflict:
		summary = files + " changed by both parties"
	case outbox.NotRemoved:
		summary = files + " not removed: S3 refuses the deletion"
	case outbox.Paused:
		summary = "Paused: what is written waits"
		then = "s3share resume " + n.dir
	case outbox.NoLogin:
		summary = "S3 refuses the credentials: nothing is delivered"
		then = "s3share login " + n.dir
	case noticeOffline:
		summary = "S3 cannot be reached: what is written waits"
	case noticeOnline:
		summary = "S3 can be reached again"
	case noticeDelivered:
		summary = "All is delivered: you may shut down"
	}
	lines := of.names
	if more := of.files - len(lines); more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return summary, strings.Join(append(lines, then), "\n")
}
