package daemon

import (
	"context"
	"fmt"
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

const (
	// noticeDelivered is the news that files have arrived that took long.
	noticeDelivered outbox.State = "all delivered"
	// noticeArrived is the news that the other party has delivered files.
	noticeArrived outbox.State = "arrived"
)

// notices shows desktop notifications of what a person should know. add never waits for the
// desktop. A nil *notices shows nothing.
type notices struct {
	dir    string // the mountpoint
	bus    string // the session bus's address
	log    *slog.Logger
	cancel context.CancelFunc
	ended  chan struct{}
	wake   chan struct{}

	desktop *desktopConn // nil for no connection; only run uses it

	acts noticeActs

	// mu guards the field below.
	mu   sync.Mutex
	news map[noticeSubject]*noticeNews // not shown yet
}

// noticeSubject is what one notification is about: files in a state, or what has arrived in a
// folder.
type noticeSubject struct {
	state  outbox.State
	folder string // of noticeArrived
}

// noticeNews is the news of one subject.
type noticeNews struct {
	files int
	names []string // the first of them, with their reasons
	paths []string // of these below the mountpoint
}

// newNotices returns the notifications of the mount on dir, or nil if there is no session bus.
func newNotices(dir string, log *slog.Logger) *notices {
	bus := sessionBus()
	if bus == "" {
		return nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	n := &notices{
		dir: dir, bus: bus, log: log, cancel: cancel, ended: make(chan struct{}),
		wake: make(chan struct{}, 1),
		news: map[noticeSubject]*noticeNews{},
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
	if info, err := os.Stat(path); !filepath.IsAbs(path) || err != nil ||
		info.Mode()&os.ModeSocket == 0 {
		return ""
	}
	return "unix:path=" + path
}

// add adds the news of one status.
func (n *notices) add(st outbox.Status) {
	if n != nil {
		n.addTo(noticeSubject{state: st.State}, noticeLine(st), st.Path)
	}
}

// addArrived adds the news of files that have arrived in a folder, by their paths below the
// mountpoint.
func (n *notices) addArrived(folder string, paths []string) {
	if n == nil {
		return
	}
	for _, path := range paths {
		n.addTo(noticeSubject{noticeArrived, folder},
			hint.Printable(strings.TrimPrefix(path, folder+"/")), path)
	}
}

func (n *notices) addTo(about noticeSubject, line, path string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	of := n.news[about]
	if of == nil {
		of = &noticeNews{}
		n.news[about] = of
	}
	of.files++
	if len(of.names) < noticeNames {
		of.names = append(of.names, line)
		of.paths = append(of.paths, path)
	}
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

func noticeLine(st outbox.Status) string {
	switch st.State {
	case outbox.Conflict:
		return fmt.Sprintf("%s: ours is %s", hint.Printable(st.Theirs),
			filepath.Base(ui.NameText(st)))
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

// run shows the news, and answers the actions that a person chooses.
func (n *notices) run(ctx context.Context) {
	defer close(n.ended)
	defer n.disconnect()
	var due <-chan time.Time // when the collected news is shown; nil for none
	var shown time.Time
	for {
		var signals <-chan *dbus.Signal
		if n.desktop != nil {
			signals = n.desktop.signals
		}
		select {
		case <-n.wake:
			if due == nil {
				due = time.After(max(noticeDelay, time.Until(shown.Add(noticePause))))
			}
		case <-due:
			n.show(ctx)
			due, shown = nil, time.Now()
		case s, open := <-signals:
			if !open { // the session has ended
				n.disconnect()
			} else {
				n.act(ctx, s)
			}
		case <-ctx.Done():
			return
		}
	}
}

// show shows all that is new, each subject in a notification of its own.
func (n *notices) show(ctx context.Context) {
	n.mu.Lock()
	news := n.news
	n.news = map[noticeSubject]*noticeNews{}
	n.mu.Unlock()
	var all []notification
	for about, of := range news {
		all = append(all, n.notification(about, of))
	}
	n.notify(ctx, all)
}

// notification is one notification as it is shown.
type notification struct {
	about         noticeSubject
	summary, body string
	actions       []string // as the desktop takes them: a name, its label, and so on
	paths         []string // that "open" shows, below the mountpoint
}

// notification returns the notification of news.
func (n *notices) notification(about noticeSubject, of *noticeNews) notification {
	shown := notification{about: about, actions: actionsOf(about.state)}
	shown.summary, shown.body = n.words(about, of)
	if of.files == len(of.paths) {
		shown.paths = of.paths
	} else if about.state == noticeArrived {
		shown.paths = []string{about.folder}
	}
	return shown
}

// words returns a notice's title and text.
func (n *notices) words(about noticeSubject, of *noticeNews) (summary, body string) {
	files := ui.Count(of.files, "file")
	then := "s3share status " + n.dir
	switch about.state {
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
	case noticeArrived:
		summary = files + " arrived in " + hint.Printable(about.folder)
		then = ""
	}
	lines := of.names
	if more := of.files - len(lines); more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	if then != "" {
		lines = append(lines, then)
	}
	return summary, strings.Join(lines, "\n")
}
