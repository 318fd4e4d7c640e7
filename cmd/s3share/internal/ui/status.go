package ui

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
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
	outbox.Uploading:   "being sent",
	outbox.Removing:    "being removed from the bucket",
	outbox.Blocked:     "cannot be delivered",
	outbox.Interrupted: "its writer was interrupted",
	outbox.Conflict:    "delivered beside the other party's version",
}

// StateText is a file's state, as docs/semantics.md names it.
func StateText(st outbox.Status) string {
	if st.State == outbox.Uploading {
		return fmt.Sprintf("%s %d%%", st.State, percent(st))
	}
	return hint.OneLine(string(st.State))
}

// percent is how much of a file S3 has.
func percent(st outbox.Status) int64 {
	if st.Size <= 0 {
		return 0
	}
	return min(100, 100*st.Sent/st.Size)
}

// ReasonText is why a file is where it is, on one line.
func ReasonText(st outbox.Status) string {
	if st.Reason != "" {
		return hint.OneLine(st.Reason)
	}
	return stateWords[st.State]
}

// ReasonIn is the ReasonText of a file of st, and that nobody delivers what waits.
func ReasonIn(st *control.State, o outbox.Status) string {
	if st.Daemon == control.DaemonEnded && o.Reason == "" && (o.State == outbox.Sealed || o.State == outbox.Removing) {
		return stateWords[o.State] + ", but its daemon has ended"
	}
	return ReasonText(o)
}

// PrintStates writes the table of s3share status to out.
func PrintStates(out io.Writer, all []control.State) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(out, "nothing is mounted")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for i, st := range all {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s\n", hint.OneLine(headline(st)))
		if st.Paused != nil {
			fmt.Fprintf(w, "  paused: %s\n", hint.OneLine(st.Paused.Reason))
			if st.Paused.Hint != "" {
				fmt.Fprintf(w, "  to do:  %s\n", hint.OneLine(st.Paused.Hint))
			}
		} else {
			printConnection(w, st.Connection)
		}
		if do := st.Advice(); do != "" {
			fmt.Fprintf(w, "  to do:  %s\n", hint.OneLine(do))
		}
		if len(st.Pending) == 0 && (st.Path == "" || len(st.Conflicts) == 0) {
			fmt.Fprintf(w, "  %s\n", NothingPendingText(&st))
		}
		rows := st.Rows()
		if len(rows) == 0 {
			continue
		}
		fmt.Fprintln(w, "  FILE\tSTATE\tSIZE\tSENT\tSPEED\tAGE\tREASON")
		for _, o := range rows {
			fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\t%s\t%s\n",
				NameText(o), StateText(o), SizeText(o.Size), SizeText(o.Sent), speedText(o.Speed), ageText(time.Since(o.Since)), ReasonIn(&st, o))
		}
	}
	return w.Flush()
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

// printConnection prints a line about a connection that is not online.
func printConnection(w io.Writer, c *control.Connection) {
	if c == nil || c.State == control.Online {
		return
	}
	last := ""
	if !c.Answered.IsZero() {
		last = fmt.Sprintf("; S3 answered last at %s", control.ClockText(c.Answered))
	}
	switch c.State {
	case control.NoAnswer:
		fmt.Fprintf(w, "  %s%s\n", c.Reason, last)
	default:
		fmt.Fprintf(w, "  %s since %s: %s%s\n", c.State, control.ClockText(c.Since), hint.OneLine(c.Reason), last)
	}
	if c.Hint != "" {
		fmt.Fprintf(w, "  to do:  %s\n", hint.OneLine(c.Hint))
	}
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

func headline(st control.State) string {
	what := cmp.Or(st.Bucket, "an exchange")
	if st.Exchange != "" && st.Exchange != st.Bucket {
		what = st.Exchange + ", the bucket " + st.Bucket
	}
	if st.ReadOnly {
		what += ", read-only"
	}
	switch {
	case (st.Daemon == "" || st.Daemon == control.DaemonRuns) && !st.Mounted:
		what += ", no longer mounted, still delivering"
	case st.Daemon == "" || st.Daemon == control.DaemonRuns:
	case st.Daemon == control.DaemonEnded && !st.Mounted:
		what += ", not mounted"
	default:
		what += ", " + st.DaemonText()
	}
	return fmt.Sprintf("%s (%s)", cmp.Or(st.Dir, st.StateDir), what)
}

// nameOf is how a file is called.
func nameOf(st outbox.Status) string { return cmp.Or(st.Path, st.Key) }

// NameText is how a file is named to people, on one line.
func NameText(st outbox.Status) string { return hint.Printable(nameOf(st)) }
