package ui

import (
	"fmt"
	"strings"

	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
)

// Advice tells people what to do about a file; "" for nothing.
func Advice(o outbox.Status, st control.State) string {
	file := strings.TrimRight(st.Dir, "/") + "/" + o.Path
	switch o.State {
	case outbox.Open:
		if o.Reason != "" { // it was removed
			return "close it in the program that has it open"
		}
		return "close it in the program that writes it"
	case outbox.Local:
		return "give it another name to have it delivered"
	case outbox.Interrupted:
		if st.Daemon != "" && st.Daemon != control.DaemonRuns {
			return "once it is mounted again, write it again, or send it as it is with s3share deliver"
		}
		return "write it again, or send it as it is: s3share deliver " + hint.ShellQuote(file)
	case outbox.Conflict:
		return fmt.Sprintf("join it with %q, then remove or rename it", o.Theirs)
	case outbox.NotRemoved:
		if o.Hint != "" {
			return o.Hint + "; then remove it again"
		}
		return "remove it again, once S3 allows it"
	case outbox.Sealed, outbox.Paused, outbox.Uploading, outbox.Removing:
		if do := st.Advice(); do != "" {
			return do
		}
		if st.Paused != nil {
			return st.Paused.Hint
		}
		if st.Connection != nil && st.Connection.State == control.Offline {
			return "nothing: it goes on by itself when S3 can be reached again"
		}
		if o.Reason != "" {
			return "nothing: it is tried again by itself; s3share retry does so at once"
		}
		return ""
	case outbox.Blocked:
	default:
		return ""
	}
	then := "s3share retry"
	if !st.Runs() { // nobody can be asked to
		then = "mount it again, or run s3share recover"
	}
	switch {
	case o.Code == "EntityTooLarge", o.Code == "KeyTooLongError":
		return o.Hint // it is another file then
	case o.Hint != "":
		return o.Hint + "; then " + then
	case o.Code != "":
		return then + ", once what S3 refuses is mended"
	}
	return "the bytes are kept where the reason says: copy them from there, and remove this one if they are not wanted"
}
