package daemon

import (
	"context"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
)

// actTimeout is how long an action may take, the start of a file manager included.
const actTimeout = 20 * time.Second

// The actions of notifications. The default action is that of a click on the notification.
const (
	actOpen    = "open"
	actWhy     = "why"
	actRetry   = "retry"
	actDefault = "default"
)

// actionsOf returns the actions of a notification, as the desktop takes them.
func actionsOf(state outbox.State) []string {
	open := []string{actDefault, "Open", actOpen, "Open"}
	why := []string{actWhy, "Why?"}
	retry := []string{actRetry, "Retry"}
	switch state {
	case noticeArrived, noticeDelivered, outbox.Conflict:
		return open
	case outbox.Blocked:
		return slices.Concat(open, why, retry)
	case outbox.Interrupted, outbox.NotRemoved:
		return slices.Concat(open, why)
	case noticeOffline, outbox.NoLogin:
		return retry
	}
	return nil
}

// noticeActs is what the actions do. The zero noticeActs does nothing.
type noticeActs struct {
	// mu is held while an action is carried out, and guards the fields below.
	mu    sync.Mutex
	ctx   context.Context
	why   func(outbox.State) string    // explains the files in a state
	retry func(context.Context) string // tries all files again
}

// start allows actions from now on. stop ends the one in progress, and allows no other.
func (a *noticeActs) start(why func(outbox.State) string,
	retry func(context.Context) string) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ctx, a.why, a.retry = ctx, why, retry
	return func() {
		cancel()
		a.mu.Lock()
		defer a.mu.Unlock()
		a.why, a.retry = nil, nil
	}
}

func (a *noticeActs) can() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.retry != nil
}

// act carries out the action of a signal.
func (n *notices) act(ctx context.Context, s *dbus.Signal) {
	about, action, ok := n.desktop.invoked(s)
	if !ok {
		return
	}
	if reply, shows := n.carryOut(about, action); shows {
		n.notify(ctx, []notification{reply})
	}
}

// carryOut carries out an action. shows reports whether the reply is to be shown.
func (n *notices) carryOut(about notification, action string) (reply notification, shows bool) {
	n.acts.mu.Lock()
	defer n.acts.mu.Unlock()
	if n.acts.retry == nil || n.desktop == nil {
		return reply, false
	}
	ctx, cancel := context.WithTimeout(n.acts.ctx, actTimeout)
	defer cancel()
	reply = notification{summary: about.summary}
	switch action {
	case actOpen, actDefault:
		err := n.desktop.open(ctx, n.dir, about.paths)
		if err == nil || ctx.Err() != nil {
			return reply, false
		}
		reply.summary = "No file manager opens the folder"
		reply.body = "It is " + hint.Printable(n.dir)
	case actWhy:
		reply.body = n.acts.why(about.about.state)
	case actRetry:
		reply.body = n.acts.retry(ctx)
	default:
		return reply, false
	}
	return reply, true
}

// open has the desktop's file manager show files of a mount, or the mount if there are no paths.
// Source: File Manager D-Bus Interface, org.freedesktop.FileManager1.
func (d *desktopConn) open(ctx context.Context, dir string, paths []string) error {
	method, uris := "ShowFolders", []string{fileURI(dir)}
	if len(paths) > 0 {
		method, uris = "ShowItems", nil
		for _, path := range paths {
			uris = append(uris, fileURI(filepath.Join(dir, path)))
		}
	}
	if len(paths) == 1 && !strings.Contains(paths[0], "/") { // a folder of the exchange
		method = "ShowFolders"
	}
	manager := d.conn.Object("org.freedesktop.FileManager1", "/org/freedesktop/FileManager1")
	return manager.CallWithContext(ctx, "org.freedesktop.FileManager1."+method, 0, uris, "").Err
}

func fileURI(path string) string { return (&url.URL{Scheme: "file", Path: path}).String() }

// whyText returns the reasons of the first files in a state, and what to do about them.
func (d *mountDaemon) whyText(state outbox.State) string {
	var lines []string
	files := 0
	st := control.State{Dir: d.dir}
	for _, o := range append(d.pending(), d.unresolved("")...) {
		if o.State != state {
			continue
		}
		if files++; files > noticeNames {
			continue
		}
		lines = append(lines, ui.NameText(o)+": "+ui.ReasonText(o))
		if do := ui.Advice(o, st); do != "" {
			lines = append(lines, "To do: "+hint.OneLine(do))
		}
	}
	switch {
	case files == 0:
		return "Nothing any more: that has been resolved"
	case files > noticeNames:
		lines = append(lines, "and "+ui.Count(files-noticeNames, "file")+" more")
	}
	return strings.Join(lines, "\n")
}

// retryText tries all files again, and returns how many those are, in words.
func (d *mountDaemon) retryText(ctx context.Context) string {
	switch a := d.retry(ctx, control.FileRequest{}); {
	case a.Error != "":
		return a.Error
	case a.Files > 0:
		return "Trying " + ui.Count(a.Files, "file") + " again"
	case d.bucket.Contact().Offline:
		return d.health()
	}
	return "There is nothing to try again"
}
