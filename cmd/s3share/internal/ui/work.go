package ui

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
)

// work is what a status lists of a mount or an outbox, in the order in which people read it.
type work struct {
	problems []group // that need a person
	retries  []group // that failed, and are tried again by themselves
	moving   []outbox.Status
	private  []outbox.Status // never sent
}

// group is the files of which the same is to be said.
type group struct {
	code, label, reason string
	files               []outbox.Status
}

// problemLabels are the states that need a person, in the order in which they are listed.
var problemLabels = []struct {
	state outbox.State
	code  string
}{{outbox.Blocked, Red}, {outbox.Interrupted, Red}, {outbox.Conflict, Yellow},
	{outbox.NotRemoved, Yellow}}

// newWork sorts what st has.
func newWork(st *control.State) *work {
	w := &work{}
	known := map[string]bool{"": true} // reasons that the line of health gives
	if st.Connection != nil && st.Connection.State != control.Online {
		known[hint.OneLine(st.Connection.Reason)] = true
	}
	if st.Paused != nil {
		known[hint.OneLine(st.Paused.Reason)] = true
	}
	rows := st.Rows()
	for _, of := range problemLabels {
		for _, o := range rows {
			if o.State == of.state {
				w.problems = addTo(w.problems, of.code, string(of.state), ReasonText(o), o)
			}
		}
	}
	for _, state := range []outbox.State{outbox.Uploading, outbox.Sealed, outbox.Paused,
		outbox.Open, outbox.Removing} {
		for _, o := range rows {
			reason := hint.OneLine(o.Reason)
			switch {
			case o.State != state:
			case known[reason] || !st.Runs() || isRename(o):
				w.moving = append(w.moving, o)
			default:
				w.retries = addTo(w.retries, Yellow, "tried again", reason, o)
			}
		}
	}
	for _, o := range rows {
		switch o.State {
		case outbox.Local:
			w.private = append(w.private, o)
		case outbox.Blocked, outbox.Interrupted, outbox.Conflict, outbox.NotRemoved,
			outbox.Uploading, outbox.Sealed, outbox.Paused, outbox.Open, outbox.Removing:
		default: // of another version's daemon
			w.moving = append(w.moving, o)
		}
	}
	return w
}

func addTo(all []group, code, label, reason string, o outbox.Status) []group {
	for i := range all {
		if g := &all[i]; g.label == label && g.reason == reason {
			g.files = append(g.files, o)
			return all
		}
	}
	return append(all, group{code, label, reason, []outbox.Status{o}})
}

// toDeliver are the files that are, or will be, delivered by themselves.
func (w *work) toDeliver() (all []outbox.Status, written int) {
	for _, g := range w.retries {
		all = append(all, g.files...)
	}
	for _, o := range w.moving {
		if o.State == outbox.Open {
			written++
		} else {
			all = append(all, o)
		}
	}
	return all, written
}

// summary says in a few words how much of what there is.
func (w *work) summary(st *control.State) (parts []string) {
	problems := 0
	for _, g := range w.problems {
		problems += len(g.files)
	}
	files, written := w.toDeliver()
	if len(files) == 0 && written == 0 &&
		(problems == 0 || st.Path == "" && len(control.Undelivered(st.Pending)) == 0) {
		if st.Path == "" || problems == 0 && len(w.private) == 0 {
			parts = append(parts, NothingPendingText(st))
		}
	}
	if problems > 0 {
		parts = append(parts,
			Count(problems, "file")+pick(problems, " needs", " need")+" attention")
	}
	if n := len(files); n > 0 {
		text := Count(n, "file") + pick(n, " waits", " wait")
		if st.Runs() &&
			(st.Connection == nil || st.Connection.State == control.Online) && st.Paused == nil {
			text = Count(n, "file") + pick(n, " on its way", " on their way")
		}
		if problems == 0 {
			text += ", " + movedText(files)
		}
		parts = append(parts, text)
	}
	if written > 0 && len(files) == 0 {
		parts = append(parts, Count(written, "file")+" being written")
	}
	return parts
}

func pick(n int, one, more string) string {
	if n == 1 {
		return one
	}
	return more
}

// movedText says how much of files is there, how fast it goes, and how long it takes.
func movedText(files []outbox.Status) string {
	var size, sent, speed int64
	for _, o := range files {
		size, sent, speed = size+max(0, o.Size), sent+movedOf(o), speed+max(0, o.Speed)
	}
	text := SizeText(size)
	if sent > 0 {
		text = SizeText(sent) + " of " + text
	}
	if speed > 0 {
		text += ", " + speedText(speed)
	}
	if left := leftText(size-sent, speed); left != "" {
		text += ", " + left
	}
	return text
}

// movedOf is how many bytes of a file are at S3 or on their way.
func movedOf(o outbox.Status) int64 { return max(0, min(o.Size, o.Sent+max(0, o.InFlight))) }

// leftText is how long n bytes take at a speed in bytes a second; "" where that is not known.
func leftText(n, speed int64) string {
	if n <= 0 || speed <= 0 {
		return ""
	}
	s := math.Ceil(float64(n) / float64(speed))
	switch {
	case s < 100:
		return fmt.Sprintf("%.0f s left", s)
	case s < 100*60:
		return fmt.Sprintf("%.0f min left", s/60)
	case s < 48*3600:
		return fmt.Sprintf("%.0f h left", s/3600)
	case s < 100*24*3600:
		return fmt.Sprintf("%.0f days left", s/(24*3600))
	}
	return ""
}

// advice is what to do about all files of a group.
func (g group) advice(st *control.State) string {
	first := Advice(g.files[0], *st)
	for _, o := range g.files[1:] {
		if Advice(o, *st) == first {
			continue
		}
		switch o.State {
		case outbox.Interrupted:
			return "write them again, or send them as they are: s3share deliver " +
				hint.ShellQuote(st.Dir)
		case outbox.Conflict:
			return MergeHint
		}
		return "s3share why FILE says what to do about each"
	}
	return first
}

// rows are the files of a group that needs a person: their names whole, to be copied.
func (g group) rows(now time.Time) (rows [][]string) {
	for _, o := range g.files {
		size := SizeText(o.Size)
		if o.Size <= 0 {
			size = ""
		}
		rows = append(rows, []string{NameText(o), size, agoText(now.Sub(o.Since))})
	}
	return rows
}

// movingRows are files that are on their way.
func movingRows(files []outbox.Status) (rows [][]string) {
	for _, o := range files {
		size := SizeText(o.Size)
		if o.State == outbox.Removing || o.Size < 0 {
			size = ""
		}
		rows = append(rows, []string{NameText(o), movingText(o), size, speedText(o.Speed),
			leftText(o.Size-movedOf(o), o.Speed)})
	}
	return rows
}

func movingText(o outbox.Status) string {
	switch o.State {
	case outbox.Open:
		if moved := movedOf(o); moved > 0 && o.Size > 0 {
			return fmt.Sprintf("open for writing, %d%% sent", percent(o))
		}
		return "open for writing"
	case outbox.Removing:
		if isRename(o) {
			return hint.OneLine(o.Reason)
		}
		return "being removed"
	}
	return StateText(o)
}

// isRename reports whether it is a rename that a file's removal waits for: that is its reason
// then, and no failure.
func isRename(o outbox.Status) bool {
	return o.State == outbox.Removing && strings.HasPrefix(o.Reason, "being renamed to ")
}

// privateText names files that are never sent, on one line.
func privateText(files []outbox.Status) string {
	names := []string{}
	for _, o := range files {
		names = append(names, NameText(o))
	}
	const most = 3
	text := pick(len(names), "a private name", "private names") + ", never sent: " +
		strings.Join(names[:min(len(names), most)], ", ")
	if n := len(names) - most; n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return text
}

// agoText is how long ago something was.
func agoText(d time.Duration) string {
	if d < time.Second {
		return "now"
	}
	return ageText(d) + " ago"
}
