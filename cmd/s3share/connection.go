package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/s3backend"
)

// The states of a mount's connection to S3.
const (
	online   = "online"  // S3 answers, and takes the credentials
	offline  = "offline" // requests end without an answer of S3's, or with its own failure
	refused  = "refused" // S3 refuses the credentials, or the bucket is gone
	noAnswer = "unknown" // S3 was asked, and has not answered yet
)

// connection is what a mount knows of its connection to S3.
type connection struct {
	State    string    `json:"state"`
	Answered time.Time `json:"answered,omitzero"` // when S3 took the credentials and answered last
	Since    time.Time `json:"since,omitzero"`    // when it began not to
	words
}

// checkPatience is how long a status waits for S3.
const checkPatience = 2 * time.Second

// checkConnection asks S3 where it has not answered lately.
func (d *mountDaemon) checkConnection(ctx context.Context) *connection {
	ctx, cancel := context.WithTimeout(ctx, checkPatience)
	defer cancel()
	known, err := d.bucket.Check(ctx)
	c := d.connectionOf(known)
	if err != nil && c.State == online {
		c.State = noAnswer
		c.Reason = fmt.Sprintf("no answer from %s in %s", d.settings.Target().Where(), checkPatience)
	}
	return c
}

func (d *mountDaemon) connectionOf(known s3backend.Contact) *connection {
	c := &connection{State: online, Answered: known.Answered, Since: known.Failing, words: d.wordsOf(known.Err)}
	switch {
	case known.Failing.IsZero():
	case isRefusal(known.Err):
		c.State = refused
	default:
		c.State = offline
	}
	return c
}

// isRefusal reports whether an error needs a person: time alone does not mend it.
func isRefusal(err error) bool {
	return errors.Is(err, s3backend.BadLogin) || errors.Is(err, s3backend.NoBucket) || errors.Is(err, s3backend.WrongOwner)
}

// printConnection prints a line about a connection that is not online.
func printConnection(w io.Writer, c *connection) {
	if c == nil || c.State == online {
		return
	}
	last := ""
	if !c.Answered.IsZero() {
		last = fmt.Sprintf("; S3 answered last at %s", clockText(c.Answered))
	}
	switch c.State {
	case noAnswer:
		fmt.Fprintf(w, "  %s%s\n", c.Reason, last)
	default:
		fmt.Fprintf(w, "  %s since %s: %s%s\n", c.State, clockText(c.Since), hint.OneLine(c.Reason), last)
	}
	if c.Hint != "" {
		fmt.Fprintf(w, "  to do:  %s\n", hint.OneLine(c.Hint))
	}
}

// asOf is when S3 answered last, where it does not now: what is delivered then is all
// that is known to be.
func asOf(c *connection) string {
	if c == nil || c.State == online || c.Answered.IsZero() {
		return ""
	}
	return " as of " + clockText(c.Answered)
}

// clockText is a time as people read it: the date only where it is not today's.
func clockText(t time.Time) string {
	t = t.Local()
	if now := time.Now(); t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format(time.TimeOnly)
	}
	return t.Format("2006-01-02 15:04")
}
