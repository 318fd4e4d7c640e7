package outbox

import (
	"context"
	"strings"
	"time"

	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/s3backend"
)

// removal is a version that was removed here and is to be deleted at S3. There is at most one of a
// key: whatever takes the name again cancels it.
type removal struct {
	obj         s3backend.Object
	since       time.Time
	conditional bool             // delete with If-Match: the version was last seen too long ago
	ambiguous   ambiguousCommits // or a version made by one of these commits

	// The fields below are guarded by removals.mu.
	held       bool  // a program still has the file open
	obsoleteOf *Item // it is deleted once this item is delivered, whose journal names it
	// neededBy is an *Item, a *moveOperation or a *recoveredRename: do not send before its journal
	// has ended.
	neededBy      any
	claims        int           // of moves that are about to take its name
	inFlight      chan struct{} // closed when the request under way has ended; nil for none
	olderInFlight chan struct{} // that of an older removal of the key, which comes first
	canceledBy    *Item         // took its name while the request was under way: no other follows
	tries         int
	gone          bool // S3 has deleted it
	unnoted       bool // the journal could not be written
}

// isFolder reports whether it is a directory marker, of which all versions are alike.
func (t *removal) isFolder() bool {
	return t.obj.ETag == "" && strings.HasSuffix(t.obj.Key, "/")
}

// join merges an older removal of the same key into t. t's version counts, unless t names none.
func (t *removal) join(old *removal) {
	t.ambiguous = append(t.ambiguous, old.ambiguous...)
	if t.obj.ETag == "" && len(t.ambiguous) > 0 && !t.isFolder() {
		t.obj, t.conditional = old.obj, true
	}
	t.conditional = t.conditional || len(t.ambiguous) > 0
	if t.neededBy == nil && t.obj.ETag == old.obj.ETag {
		t.neededBy = old.neededBy
	}
}

// busyLocked returns a channel that is closed when the request in flight for the key has ended, or
// nil for none. It forgets a request that has ended.
func (t *removal) busyLocked() chan struct{} {
	if t.inFlight != nil {
		return t.inFlight
	}
	select {
	case <-t.olderInFlight:
		t.olderInFlight = nil
	default:
	}
	return t.olderInFlight
}

// readyLocked reports whether it can be sent.
func (t *removal) readyLocked() bool {
	return !t.held && t.obsoleteOf == nil && t.neededBy == nil &&
		t.claims == 0 && t.canceledBy == nil &&
		t.busyLocked() == nil
}

// record returns the record of a removal.
func (t *removal) record() journal.Record {
	return journal.Record{Op: journal.OpRemove, Key: t.obj.Key,
		Over:      &journal.Version{Key: t.obj.Key, ETag: t.obj.ETag, Size: t.obj.Size},
		Ambiguous: t.ambiguous}
}

// findVersion returns what S3 holds at the key, without an ETag for nothing. The error is Stale if
// that is neither t.obj nor made by t's ambiguous commits; the version is returned even then.
func (t *removal) findVersion(ctx context.Context, o *Outbox) (s3backend.Object, error) {
	cur, err := o.current(ctx, t.obj.Key)
	switch {
	case err != nil || cur.ETag == "":
	case t.obj.ETag != "" && cur.ETag == t.obj.ETag:
	case t.isFolder() && cur.Size == 0:
	case t.ambiguous.made(t.obj.Key, cur):
	default:
		err = &s3backend.Error{Op: "DeleteObject", Key: t.obj.Key, Kind: s3backend.Stale}
	}
	return cur, err
}

// replacedBy returns the version that a new owner of the key replaces: over, or if that is none,
// t's version; and t's ambiguous commits, which the new owner inherits. t may be nil.
func (t *removal) replacedBy(over s3backend.Object) (s3backend.Object, ambiguousCommits) {
	if t == nil {
		return over, nil
	}
	if over.ETag == "" {
		over = t.obj
	}
	return over, t.ambiguous.inherited()
}

// isOf reports whether this very version is being removed.
func (t *removal) isOf(obj s3backend.Object) bool {
	return t.obj.ETag == obj.ETag || t.ambiguous.made(t.obj.Key, obj)
}
