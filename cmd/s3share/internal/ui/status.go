package ui

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
)

// stateWords tell people why a file is in a state, where nothing else does.
var stateWords = map[outbox.State]string{
	outbox.Open:        "open for writing",
	outbox.Local:       "a private name, never sent",
	outbox.Sealed:      "waiting to be sent",
	outbox.Paused:      "waiting to be sent, and deliveries are paused",
	outbox.Uploading:   "being sent",
	outbox.Removing:    "being removed from the bucket",
	outbox.Blocked:     "cannot be delivered",
	outbox.Interrupted: "its writer was interrupted",
	outbox.Conflict:    outbox.ConflictReason,
	outbox.NotRemoved:  "S3 refuses to delete it",
}

// StateText is a file's state, as docs/semantics.md names it.
func StateText(st outbox.Status) string {
	switch st.State {
	case outbox.Uploading:
		return fmt.Sprintf("%s %d%%", st.State, percent(st))
	case outbox.Sealed:
		return "waiting"
	}
	return hint.OneLine(string(st.State))
}

// percent is how much of a file S3 has, or was sent to it.
func percent(st outbox.Status) int64 {
	if st.Size <= 0 {
		return 0
	}
	return min(99, int64(100*float64(movedOf(st))/float64(st.Size)))
}

// ReasonText is why a file is where it is, on one line.
func ReasonText(st outbox.Status) string {
	if st.Reason != "" && st.State != outbox.Conflict {
		return hint.OneLine(st.Reason)
	}
	return stateWords[st.State]
}

// ReasonIn is the ReasonText of a file of st, and that nobody delivers what waits.
func ReasonIn(st *control.State, o outbox.Status) string {
	if st.Daemon != control.DaemonEnded || o.State != outbox.Sealed && o.State != outbox.Removing {
		return ReasonText(o)
	}
	text := stateWords[o.State] + ", but its daemon has ended"
	if o.Reason != "" {
		text += "; until then: " + ReasonText(o)
	}
	return text
}

// PrintStates writes what s3share status tells to out: of each mount and outbox how it is, what
// needs a person, and what moves. On a terminal long lists are cut, unless all is set.
func PrintStates(out io.Writer, states []control.State, all bool) error {
	p := &Page{screen: screenOf(out)}
	p.states(states, all, time.Now())
	return p.Flush(out)
}

// LimitsText says what limits there are.
func LimitsText(l control.Limits) string {
	of := func(n int64) string {
		if n == 0 {
			return "no limit"
		}
		return SizeText(n) + "/s"
	}
	text := "up " + of(l.Upload) + ", down " + of(l.Download)
	if l.Live {
		text += ", until s3share limit default or unmount"
	}
	return text
}

// arrivalsText is a line about the announcements of the other party's changes.
func arrivalsText(a control.Arrivals) string {
	watched, announced := fmt.Sprintf("%d directories",
		a.Watched), fmt.Sprintf("%d changes", a.Announced)
	if a.Watched == 1 {
		watched = "1 directory"
	}
	if a.Announced == 1 {
		announced = "1 change"
	}
	if n := a.Failed + a.Skipped; n > 0 {
		return fmt.Sprintf("arrivals: %s watched, %s announced, and %d not", watched, announced, n)
	}
	return fmt.Sprintf("arrivals: %s watched, %s announced", watched, announced)
}

// thumbnailsText is a line about programs that make thumbnails, or index files.
func thumbnailsText(t control.Thumbnails) string {
	files := fmt.Sprintf("%d large files", t.Files)
	if t.Files == 1 {
		files = "1 large file"
	}
	return fmt.Sprintf("thumbnails and indexes: %s read in part, %d refused the rest",
		files, t.Refused)
}

// maxRows is how many files of a group a terminal shows.
const maxRows = 8

func (p *Page) states(states []control.State, all bool, now time.Time) {
	if len(states) == 0 {
		p.Line(0, Span{"", "nothing is mounted, and nothing waits"})
	}
	for i := range states {
		if i > 0 {
			p.Line(0)
		}
		p.state(&states[i], all, now)
	}
}

func (p *Page) state(st *control.State, all bool, now time.Time) {
	list := func(indent int, rows [][]string, whole bool) {
		most := len(rows)
		if !all && p.width > 0 && most > maxRows+1 {
			most = maxRows
		}
		p.table(indent, rows[:most], whole)
		if n := len(rows) - most; n > 0 {
			p.Line(indent,
				Span{"", fmt.Sprintf("and %d more, which s3share status --all lists", n)})
		}
	}
	w := newWork(st)
	dir, what := headline(st)
	p.Line(0, Span{Bold, dir}, Span{"", " " + what})
	line, advice := health(st, w)
	p.Line(2, line...)
	toDo := func(indent int, advice string) {
		if advice != "" {
			p.Line(indent, Span{Bold, "to do:"}, Span{"", " " + advice})
		}
	}
	toDo(2, advice)
	if l := st.Limits; l != nil && (l.Upload > 0 || l.Download > 0) {
		p.Line(2, Span{"", "limited: " + LimitsText(*l)})
	}
	if a := st.Arrivals; a != nil && *a != (control.Arrivals{}) {
		p.Line(2, Span{"", arrivalsText(*a)})
	}
	if t := st.Thumbnails; t != nil && t.Refused > 0 {
		p.Line(2, Span{"", thumbnailsText(*t)})
	}
	for _, g := range w.problems {
		p.Line(2, Span{g.code, g.label + ":"}, Span{"", " " + g.reason})
		toDo(4, g.advice(st))
		list(4, g.rows(now), true)
	}
	for _, g := range w.retries {
		p.Line(2, Span{g.code, g.label + ":"}, Span{"", " " + g.reason})
		list(4, movingRows(g.files), false)
	}
	if len(w.moving) > 0 {
		closed := slices.DeleteFunc(slices.Clone(w.moving),
			func(o outbox.Status) bool { return o.State == outbox.Open })
		switch {
		case len(w.problems)+len(w.retries) == 0: // the line of health says so
		case len(closed) == 0:
			p.Line(2, Span{"", "being written:"})
		default:
			p.Line(2, Span{"", "to deliver: " + movedText(closed)})
		}
		list(4, movingRows(w.moving), false)
	}
	if len(w.private) > 0 {
		p.Line(2, Span{"", privateText(w.private)})
	}
}

// NothingPendingText says what is known where nothing waits.
func NothingPendingText(st *control.State) string {
	switch {
	case st.Path != "":
		return st.File.Sentence(hint.Printable(st.Path))
	case st.Daemon == control.DaemonUnknown:
		return "it is not known what waits in its outbox"
	case st.Daemon != "" && st.Daemon != control.DaemonRuns:
		return "nothing waits in its outbox"
	}
	return "all is delivered" + asOf(st.Connection)
}

// speedText is a speed as people read it, "" for none.
func speedText(rate int64) string {
	if rate <= 0 {
		return ""
	}
	return SizeText(rate) + "/s"
}

// ageText is a time as people say it, in its largest unit.
func ageText(d time.Duration) string {
	switch {
	case d < time.Second:
		return "now"
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return fmt.Sprintf("%dd", d/(24*time.Hour))
}

// asOf is when S3 answered last, where it does not now: what is delivered then is all
// that is known to be.
func asOf(c *control.Connection) string {
	if c == nil || c.State == control.Online || c.Answered.IsZero() {
		return ""
	}
	return " as of " + control.ClockText(c.Answered)
}

// SizeText is n bytes as people read it.
func SizeText(n int64) string {
	if n < 1<<10 {
		return strconv.FormatInt(n, 10) + " B"
	}
	x, unit := float64(n), ""
	for _, unit = range []string{"KiB", "MiB", "GiB", "TiB", "PiB"} {
		if x /= 1024; x < 1023.95 {
			break
		}
	}
	return strconv.FormatFloat(x, 'f', 1, 64) + " " + unit
}

// headline is where an exchange is mounted, and which it is.
func headline(st *control.State) (dir, what string) {
	what = cmp.Or(st.Bucket, "an exchange")
	if st.Exchange != "" && st.Exchange != st.Bucket {
		what = st.Exchange + ", the bucket " + st.Bucket
	}
	if st.ReadOnly {
		what += ", read-only"
	}
	return cmp.Or(st.Dir, st.StateDir), "(" + what + ")"
}

// nameOf is how a file is called.
func nameOf(st outbox.Status) string { return cmp.Or(st.Path, st.Key) }

// NameText is how a file is named to people, on one line.
func NameText(st outbox.Status) string { return hint.Printable(nameOf(st)) }
