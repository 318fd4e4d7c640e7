package ui

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
)

// mostSaid is how many files are named to people one by one.
const mostSaid = 20

// hasMoving tells whether waiting longer could help with something in left.
func hasMoving(left []outbox.Status) bool {
	for _, st := range left {
		if st.State == outbox.Open || st.State == outbox.Sealed || st.State == outbox.Uploading || st.State == outbox.Removing {
			return true
		}
	}
	return false
}

// SayLeft lists what is not delivered, and why.
func SayLeft(w io.Writer, left []outbox.Status) {
	for _, st := range left[:min(len(left), mostSaid)] {
		why := st.Reason
		if why == "" {
			why = stateWords[st.State]
		}
		fmt.Fprintf(w, "s3share: not delivered: %q (%s): %s\n", nameOf(st), SizeText(st.Size), hint.OneLine(why))
	}
	if n := len(left) - mostSaid; n > 0 {
		fmt.Fprintf(w, "s3share: not delivered: %d more\n", n)
	}
}

// LeftText says that a delivery that was given this time, 0 for any, did not deliver
// all of what people call where; "" for a whole mount.
func LeftText(where string, left []outbox.Status, timeout time.Duration) string {
	late := timeout > 0 && hasMoving(left)
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

// LeftHint says what a person can do about what is left, and then what becomes of it.
func LeftHint(left []outbox.Status, then string) string {
	has := map[outbox.State]bool{}
	for _, st := range left {
		has[st.State] = true
	}
	var hints []string
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

// SayBeside lists what was delivered beside the other party's version.
func SayBeside(w io.Writer, beside []outbox.Status) {
	for _, st := range beside[:min(len(beside), mostSaid)] {
		fmt.Fprintf(w, "s3share: conflict: the other party changed %q too; ours is %q\n", st.Theirs, nameOf(st))
	}
	if n := len(beside) - mostSaid; n > 0 {
		fmt.Fprintf(w, "s3share: conflict: %d more\n", n)
	}
}

// BesideText and BesideHint complete a sentence about them.
func BesideText(beside []outbox.Status) string {
	return Count(len(beside), "file") + " went beside the other party's version"
}

const BesideHint = "join the two versions, then remove or rename the one named conflict"
