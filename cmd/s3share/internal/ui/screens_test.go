package ui

import (
	"flag"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/s3share/s3share/cache"
	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/testhome"
)

var update = flag.Bool("update", false, "write what is printed to testdata and docs/screens.md")

// screenWidths are the columns for which screens are kept.
var screenWidths = []int{80, 120}

// noon is when the screens are looked at.
var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.Local)

// ago is d before noon.
func ago(d time.Duration) time.Time { return noon.Add(-d) }

const (
	kib = 1 << 10
	mib = 1 << 20
	gib = 1 << 30
)

func online() *control.Connection {
	return &control.Connection{State: control.Online, Answered: ago(2 * time.Second)}
}

func team(connection *control.Connection, pending ...outbox.Status) control.State {
	return control.State{
		Dir: "/home/ann/exchange", Exchange: "team", Bucket: "team-exchange", Mounted: true,
		Daemon:     control.DaemonRuns,
		Connection: connection, Pending: pending,
	}
}

func moving() []outbox.Status {
	return []outbox.Status{
		{Path: "Delivery/2026/footage/interview-with-the-director-camera-2-take-17.mov", State: outbox.Uploading, Size: 12 * gib, Sent: 4 * gib, InFlight: 70 * mib, Speed: 38 * mib, Since: ago(110 * time.Second)},
		{Path: "Delivery/tape.tar", State: outbox.Uploading, Size: gib, Sent: 416 * mib, InFlight: 24 * mib, Speed: 9 * mib, Since: ago(50 * time.Second)},
		{Path: "Delivery/q3.csv", State: outbox.Sealed, Size: 2100, Since: ago(time.Second)},
		{Path: "Delivery/notes.txt", State: outbox.Open, Size: 512, Since: ago(4 * time.Second)},
		{Path: "Delivery/old plan.txt", State: outbox.Removing, Since: ago(0)},
	}
}

func blockedFile(path string, since time.Duration) outbox.Status {
	return outbox.Status{
		Path: path, State: outbox.Blocked, Size: 2100, Since: ago(since),
		Code: "AccessDenied", RequestID: "9A1B",
		Reason: "access denied (s3:PutObject on Delivery/)",
		Hint:   "send the owner the statement that s3share doctor prints",
	}
}

func interruptedFile(path string) outbox.Status {
	return outbox.Status{Path: path, State: outbox.Interrupted, Size: 300 * kib,
		Since: ago(20 * time.Minute), Reason: "the program that wrote it was ended by a signal"}
}

func conflictFile() outbox.Status {
	return outbox.Status{
		Path:   "Delivery/plan (conflict ann@desk 2026-11-24 101500.123Z).txt",
		Theirs: "Delivery/plan.txt", State: outbox.Conflict,
		Size: 5400, Sent: 5400, Since: ago(49 * time.Hour), Reason: "of an earlier version",
	}
}

// statusScreens are what s3share status shows in each situation.
func statusScreens() map[string][]control.State {
	offline := &control.Connection{
		State: control.Offline, Answered: ago(13 * time.Minute), Since: ago(12 * time.Minute),
		Words: control.Words{Reason: "S3 cannot be reached", Hint: "check the network"},
	}
	waiting := moving()
	for i := range waiting {
		waiting[i].Speed, waiting[i].InFlight = 0, 0
		if waiting[i].State != outbox.Open {
			waiting[i].Reason = offline.Reason
		}
		if waiting[i].State == outbox.Uploading {
			waiting[i].State = outbox.Sealed
		}
	}
	many := []outbox.Status{blockedFile("Delivery/q1.csv", time.Hour),
		blockedFile("Delivery/q2.csv", time.Hour)}
	for i := range 12 {
		many = append(many, outbox.Status{Path: fmt.Sprintf("Delivery/photos/IMG_%04d.tif", i+1),
			State: outbox.Uploading, Size: 60 * mib, Sent: int64(i) * 4 * mib, Speed: 3 * mib,
			Since: ago(time.Minute)})
	}
	for i := range 26 {
		many = append(many, outbox.Status{Path: fmt.Sprintf("Delivery/photos/IMG_%04d.tif", i+13),
			State: outbox.Sealed, Size: 60 * mib, Since: ago(time.Minute)})
	}
	draining := team(online(), moving()[1])
	draining.Mounted, draining.Dir, draining.Exchange, draining.Bucket = false, "/home/ann/archive",
		"archive", "archive-exchange"
	kept := control.State{
		Dir: "/home/ann/lab", Exchange: "lab", Bucket: "lab-exchange",
		StateDir: "/home/ann/.local/state/s3share/lab-exchange-1", Daemon: control.DaemonEnded,
		Pending: []outbox.Status{interruptedFile("Delivery/run 7.dat"),
			{Path: "Delivery/run 6.dat", State: outbox.Sealed, Size: 40 * mib, Since: ago(3 * time.Hour)}, {Path: "Delivery/draft.part", State: outbox.Local, Size: 9}},
	}
	dead := control.State{Dir: "/home/ann/press", Exchange: "press", Bucket: "press-exchange",
		Mounted: true, Daemon: control.DaemonEnded}
	retried := team(online(), outbox.Status{
		Path: "Delivery/q3.csv", State: outbox.Sealed, Size: 2100,
		Since: ago(time.Minute), Code: "InternalError",
		Reason: "S3 answered PutObject with InternalError: We encountered an internal error. Please try again.",
	}, outbox.Status{Path: "Delivery/q4.csv", State: outbox.Uploading, Size: 90 * mib,
		Sent: 16 * mib, Since: ago(time.Minute)})
	conflict := team(online())
	conflict.Unresolved = []outbox.Status{conflictFile()}
	expired := team(&control.Connection{State: control.Login, Answered: ago(time.Hour),
		Since: ago(50 * time.Minute),
		Words: control.Words{Reason: "S3 refused the credentials: expired", Code: "ExpiredToken"}},
		outbox.Status{Path: "Delivery/q3.csv", State: outbox.Sealed, Size: 2100,
			Since: ago(time.Minute), Reason: "S3 refused the credentials: expired"})
	expired.Paused =
		&control.Pause{Words: control.Words{Reason: "S3 refused the credentials: expired",
			Hint: "s3share login /home/ann/exchange, or renew the credentials where they are kept: it goes on by itself"}}
	file := team(online())
	file.Path, file.File = "Delivery/q3.csv", &control.FileState{State: cache.Delivered}
	return map[string][]control.State{
		"status-nothing":   {},
		"status-healthy":   {team(online())},
		"status-moving":    {team(online(), moving()...)},
		"status-offline":   {team(offline, waiting...)},
		"status-expired":   {expired},
		"status-conflict":  {conflict},
		"status-blocked":   {team(online(), append(moving()[1:3], blockedFile("Delivery/q1.csv", 3*time.Hour), blockedFile("Delivery/q2.csv", 2*time.Hour), interruptedFile("Delivery/cut.csv"))...)},
		"status-retried":   {retried},
		"status-40-files":  {team(online(), many...)},
		"status-unmounted": {draining, kept, dead},
		"status-file":      {file},
	}
}

// TestScreens compares what status shows with the texts in testdata, which docs/screens.md
// shows too.
func TestScreens(t *testing.T) {
	t.Setenv("HOME", "/home/ann")
	t.Setenv("XDG_STATE_HOME", "")
	for name, states := range statusScreens() {
		for _, width := range screenWidths {
			p := &Page{screen: screen{width: width}}
			p.states(states, false, noon)
			testhome.CheckScreen(t, *update, fmt.Sprintf("%s-%d", name, width), p.String(), width)
		}
	}
}

// TestScreensFitAnyWidth shows each screen in each width, with names in many scripts: no line
// is wider than the screen, but for a name that is to be copied, and colours change nothing of
// what is to be read.
func TestScreensFitAnyWidth(t *testing.T) {
	escape := regexp.MustCompile("\x1b\\[[0-9;]*m")
	odd := team(online(), outbox.Status{Path: "Delivery/日本語の長い名前のファイル、とても長い名前.txt",
		State: outbox.Uploading, Size: mib, Sent: 5, Speed: 7},
		outbox.Status{Path: "Delivery/\x1b[31m\n\u202e", State: outbox.Uploading,
			Size: -5, Sent: 1 << 62, InFlight: -3, Speed: -1},
		outbox.Status{Path: "", Key: "", State: "of another version"})
	screens := statusScreens()
	screens["odd"] = []control.State{odd}
	for name, states := range screens {
		for width := 30; width < 200; width++ {
			for _, all := range []bool{false, true} {
				p := &Page{screen: screen{width: width}}
				p.states(states, all, noon)
				text := p.text.String()
				for line := range strings.SplitSeq(text, "\n") {
					words := strings.Fields(line)
					longest := 0
					for _, w := range words {
						longest = max(longest, columns.StringWidth(w)+6) // with its indentation
					}
					if n := columns.StringWidth(line); n > max(width, longest) &&
						!strings.Contains(line, "(conflict ") {
						t.Errorf("%s at %d columns has a line of %d: %q", name, width, n, line)
					}
				}
				coloured := &Page{screen: screen{width: width, colour: true}}
				coloured.states(states, all, noon)
				if plain := escape.ReplaceAllString(coloured.text.String(), ""); plain != text ||
					len(states) > 0 && plain == coloured.text.String() {
					t.Fatalf("%s in colour is %q, without %q", name, coloured.text.String(), text)
				}
			}
		}
		whole := &Page{}
		whole.states(states, false, noon)
		for _, st := range states {
			for _, o := range st.Rows() {
				if !strings.Contains(whole.text.String(), NameText(o)) {
					t.Errorf("%s does not name %q to a script:\n%s",
						name, NameText(o), whole.text.String())
				}
			}
		}
	}
}
