package cache

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/s3share/s3share/cache/keyname"
	"github.com/s3share/s3share/s3backend"
)

// Presence is what is known of a path of which nothing waits in the outbox. An error on
// the way to an answer is none: then it is Unknown.
type Presence string

const (
	Unknown   Presence = "unknown"   // S3 could not be asked
	Delivered Presence = "delivered" // S3 holds a file, this side's or the other party's
	Directory Presence = "directory" // a directory, of which all that was written here is delivered
	Absent    Presence = "absent"    // S3 holds nothing
	Removed   Presence = "removed"   // absent, since this side has removed it
	Removing  Presence = "removing"  // removed here; S3 is told later
	Renamed   Presence = "renamed"   // it waits, or is delivered, under another name
	Waiting   Presence = "waiting"   // in the outbox: see Status
)

// Confirmed is what S3 has confirmed of a path, and when.
type Confirmed struct {
	Is  Presence
	At  time.Time
	Err error // why it is Unknown; else why S3 could not confirm it again now
}

// errUnlisted is returned where the policy does not let this account list a directory: S3
// cannot be asked what others have put there, or removed.
var errUnlisted = errors.New("the policy does not let this account list the directory")

// errNeverSent is ErrUnlisted of a name that is not in the ledger.
var errNeverSent = fmt.Errorf("%w, and nothing of this name was sent from here", errUnlisted)

// Confirm asks S3 what it holds at path, with an answer at most a second old. Where S3
// cannot be asked, a delivery from here that nothing has contradicted since still counts.
func (c *Cache) Confirm(ctx context.Context, path string) Confirmed {
	now := time.Now()
	if path == "" {
		return Confirmed{Is: Directory, At: now}
	}
	p, err := c.paths.locate(ctx, path)
	q := confirmation{c, p, now}
	if err != nil {
		return q.afterError(err)
	}
	a, err := c.statNow(ctx, p, fresh)
	switch {
	case err == nil && a.File != nil && a.File.pending() != nil:
		return Confirmed{Is: Waiting, At: now}
	case err == nil && a.Dir:
		return Confirmed{Is: Directory, At: now}
	case err == nil && q.unlisted():
		sent, _ := c.sent.Get(a.Key, a.ETag)
		return Confirmed{Is: Delivered, At: sent.Sent, Err: errUnlisted}
	case err == nil:
		return Confirmed{Is: Delivered, At: now}
	}
	return q.afterError(err)
}

// confirmation is a Confirm that began at a time.
type confirmation struct {
	c     *Cache
	p     location
	began time.Time
}

// unlisted reports whether the answer may be the ledger's.
func (q confirmation) unlisted() bool {
	// A listing counts for as long as fresh.
	return q.c.unlisted.since(keyname.Folder(q.p.key()), q.began.Add(-2*fresh))
}

// afterError returns what is confirmed although S3 has answered with an error, or not at all.
func (q confirmation) afterError(err error) Confirmed {
	now := time.Now()
	last, recorded := q.c.outcomes.get(q.p.key())
	if !errors.Is(err, s3backend.NotExist) {
		if recorded && last.Is == Delivered && q.notContradicted(last) {
			return Confirmed{Is: Delivered, At: last.At, Err: err}
		}
		return Confirmed{Is: Unknown, At: now, Err: err}
	}
	switch {
	case q.c.removing(q.p):
		return Confirmed{Is: Removing, At: now}
	case q.unlisted():
		if recorded && last.Is == Delivered {
			return Confirmed{Is: Delivered, At: last.At, Err: errUnlisted}
		}
		return Confirmed{Is: Unknown, At: now, Err: errNeverSent}
	case recorded && last.Is == Removed:
		return Confirmed{Is: Removed, At: now}
	}
	return Confirmed{Is: Absent, At: now}
}

// notContradicted reports whether no later answer of S3 contradicts a delivery.
func (q confirmation) notContradicted(last outcome) bool {
	found, known := q.c.names.Known(q.p.prefix, q.p.elem, time.Since(last.At)+fresh)
	return !known || found.IsFile && found.File.ETag == last.etag
}
