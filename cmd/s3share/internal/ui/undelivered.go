package ui

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
)

// maxListed is how many files are named to people one by one.
const maxListed = 20

// anyInProgress reports whether waiting longer could help with something in left.
func anyInProgress(left []outbox.Status) bool {
	for _, st := range left {
		if st.Paused {
			continue
		}
		if st.State == outbox.Open || st.State == outbox.Sealed || st.State == outbox.Uploading ||
			st.State == outbox.Removing {
			return true
		}
	}
	return false
}

// PrintUndelivered lists what is not delivered, and why.
func PrintUndelivered(w io.Writer, left []outbox.Status) {
	for _, st := range left[:min(len(left), maxListed)] {
		why := st.Reason
		if why == "" {
			why = ReasonText(st)
		}
		fmt.Fprintf(w, "s3share: not delivered: %q (%s): %s\n",
			nameOf(st), SizeText(st.Size), hint.OneLine(why))
	}
	if n := len(left) - maxListed; n > 0 {
		fmt.Fprintf(w, "s3share: not delivered: %d more\n", n)
	}
}

// UndeliveredText says that a delivery that was given this time, 0 for any, did not deliver
// all of what people call where; "" for a whole mount.
func UndeliveredText(where string, left []outbox.Status, timeout time.Duration) string {
	late := timeout > 0 && anyInProgress(left)
	switch {
	case where != "" && late:
		return fmt.Sprintf("not all of %s was delivered in %s", where, timeout)
	case where != "":
		return fmt.Sprintf("not all of %s is delivered", where)
	case late:
		return fmt.Sprintf("not all was delivered in %s", timeout)
	}
	return "not all can be delivered"
}

// UndeliveredHint says what a person can do about what is left, and then what becomes of it.
func UndeliveredHint(left []outbox.Status, then string) string {
	has := map[outbox.State]bool{}
	for _, st := range left {
		has[st.State] = true
	}
	var hints []string
	for _, st := range left {
		if st.Paused && st.Hint != "" {
			hints = append(hints, st.Hint)
			break
		}
	}
	if has[outbox.Interrupted] {
		hints = append(hints, "s3share deliver sends as it is what was interrupted")
	}
	if has[outbox.Blocked] {
		hints = append(hints, "s3share why says what to do about what is blocked")
	}
	if then != "" {
		hints = append(hints, then)
	}
	return strings.Join(hints, "; ")
}

// PrintUnresolved lists what was delivered beside the other party's version, and what S3 has
// refused to delete.
func PrintUnresolved(w io.Writer, some []outbox.Status) {
	for _, st := range some[:min(len(some), maxListed)] {
		if st.State == outbox.NotRemoved {
			fmt.Fprintf(w, "s3share: not removed: %q: %s\n", nameOf(st), ReasonText(st))
			continue
		}
		fmt.Fprintf(w,
			"s3share: conflict: %q changed in the bucket too; ours is %q\n", st.Theirs, nameOf(st))
	}
	if n := len(some) - maxListed; n > 0 {
		fmt.Fprintf(w, "s3share: and %d more\n", n)
	}
}

// UnresolvedText returns how many files were delivered as conflict copies, and how many were
// not removed, for a sentence.
func UnresolvedText(some []outbox.Status) string {
	var texts []string
	copies, kept := countUnresolved(some)
	if copies > 0 {
		texts = append(texts, Count(copies, "file")+" went beside the other party's version")
	}
	if kept > 0 {
		texts = append(texts, Count(kept, "file")+pick(kept, " was", " were")+" not removed")
	}
	return strings.Join(texts, ", and ")
}

// UnresolvedHint returns the hint for an error with [UnresolvedText].
func UnresolvedHint(some []outbox.Status) string {
	var hints []string
	copies, kept := countUnresolved(some)
	if copies > 0 {
		hints = append(hints, MergeHint)
	}
	if kept > 0 {
		hints = append(hints, "s3share why says what to do about what was not removed")
	}
	return strings.Join(hints, "; ")
}

// MergeHint is what to do about conflict copies.
const MergeHint = "join the two versions, then remove or rename the one named conflict"

func countUnresolved(some []outbox.Status) (copies, notRemoved int) {
	for _, st := range some {
		if st.State == outbox.NotRemoved {
			notRemoved++
		} else {
			copies++
		}
	}
	return copies, notRemoved
}
