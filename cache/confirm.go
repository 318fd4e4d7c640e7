package cache

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

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
	if err != nil {
		return c.unconfirmed(p, now, err)
	}
	a, err := c.statNow(ctx, p, fresh)
	switch {
	case err == nil && a.File != nil && a.File.pending() != nil:
		return Confirmed{Is: Waiting, At: now}
	case err == nil && a.Dir:
		return Confirmed{Is: Directory, At: now}
	case err == nil && c.unlistedSince(p, now):
		sent, _ := c.sent.Get(a.Key, a.ETag)
		return Confirmed{Is: Delivered, At: sent.Sent, Err: errUnlisted}
	case err == nil:
		return Confirmed{Is: Delivered, At: now}
	}
	return c.unconfirmed(p, now, err)
}

// unlistedSince reports whether an answer about p may be the ledger's that somebody has
// got who asked at that time.
func (c *Cache) unlistedSince(p location, asked time.Time) bool {
	// A listing counts for as long as fresh.
	return c.unlisted.since(keyname.Folder(p.key()), asked.Add(-2*fresh))
}

// unconfirmed is what Confirm, which began at that time, answers after an error.
func (c *Cache) unconfirmed(p location, began time.Time, err error) Confirmed {
	now := time.Now()
	last, recorded := c.outcomes.get(p.key())
	if !errors.Is(err, s3backend.NotExist) {
		if recorded && last.Is == Delivered && c.notContradicted(p, last) {
			return Confirmed{Is: Delivered, At: last.At, Err: err}
		}
		return Confirmed{Is: Unknown, At: now, Err: err}
	}
	switch {
	case c.removing(p):
		return Confirmed{Is: Removing, At: now}
	case c.unlistedSince(p, began):
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
func (c *Cache) notContradicted(p location, last outcome) bool {
	found, known := c.names.Known(p.prefix, p.elem, time.Since(last.At)+fresh)
	return !known || found.IsFile && found.File.ETag == last.etag
}

// outcome is what became of what was in the outbox under a key.
type outcome struct {
	Confirmed
	etag string // of a delivery
}

// maxOutcomes is how many are remembered.
const maxOutcomes = 10_000

// outcomes remembers what became of the keys that left the outbox last.
type outcomes struct {
	mu    sync.Mutex
	byKey *simplelru.LRU[string, outcome]
}

func newOutcomes() *outcomes {
	// NewLRU fails only for a size below 1.
	byKey, _ := simplelru.NewLRU[string, outcome](maxOutcomes, nil)
	return &outcomes{byKey: byKey}
}

func (o *outcomes) note(key string, is Presence, etag string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.byKey.Add(key, outcome{Confirmed{Is: is, At: time.Now()}, etag})
}

// forget is called for a key of which something else is true now.
func (o *outcomes) forget(key string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.byKey.Remove(key)
}

func (o *outcomes) get(key string) (outcome, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.byKey.Get(key)
}

// EndHandles ends the handles that can write. The caller knows that the kernel has no mount any
// more: it drops the releases that it had not sent, though the programs have closed their files.
// What was closed is delivered, and what was open is interrupted, as after a kill.
func (c *Cache) EndHandles() {
	c.mu.Lock()
	files := slices.Collect(maps.Values(c.pending))
	c.mu.Unlock()
	for _, f := range files {
		f.endWriters()
	}
}
