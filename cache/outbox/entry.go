package outbox

import (
	"slices"

	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/cache/privatename"
	"github.com/s3share/s3share/s3backend"
)

// entry is what an item is named, and what it replaces. It is a plain value, in the target of an
// item.
type entry struct {
	key  string
	base s3backend.Object // what the stage lies over; no ETag for none
	over s3backend.Object // what the commit replaces at key; no ETag for a new name
	// theirs is the key of the other party's version, of a conflict copy; else "".
	theirs   string
	header   *s3backend.Header // of the base; nil until it is known
	mode     uint32            // permission bits, if hasMode
	hasMode  bool
	explicit bool  // a program set the time or the mode
	unsure   bool  // of a directory marker: S3 may have it without a confirmation
	keptHere error // why S3 does not take its new time or mode

	// obsolete are versions that are deleted once the item is delivered. Those of a private item
	// are deleted after a while.
	obsolete        []s3backend.Object
	removalDeferred bool  // the while has begun
	deferredErr     error // why they could not be deleted at its end

	copies []s3backend.Object // versions of which a copy may be at key; see copiedIfObsolete
	// dependents are items that lie over what the commit replaces. They are materialized first.
	dependents []*Item
}

// setMode sets the permission bits.
func (e *entry) setMode(mode uint32) { e.mode, e.hasMode = mode, true }

// shownMode returns the permission bits, or those of the base if none were set; false for none.
func (e *entry) shownMode() (mode uint32, ok bool) {
	if !e.hasMode && e.header != nil {
		return ModeOf(e.header)
	}
	return e.mode, e.hasMode
}

// untouched reports whether the entry lies over what it replaces, under its name.
func (e *entry) untouched() bool {
	return e.base.ETag != "" && e.key == e.base.Key && e.over.ETag == e.base.ETag
}

// rename gives the entry another key, at which the commit replaces over. What it has replaced at
// other keys is obsolete.
func (e *entry) rename(key string, over s3backend.Object, obsolete []s3backend.Object) {
	e.theirs = theirsAfter(e.theirs, e.key, key)
	e.key, e.over, e.obsolete = key, over, obsolete
}

// becomeConflict makes the entry a conflict copy at key, which replaces nothing. The other party's
// version stays at the present key.
func (e *entry) becomeConflict(key string) {
	if e.theirs == "" {
		e.theirs = e.key
	}
	e.key, e.over = key, s3backend.Object{}
}

// setCommitted records that S3 holds the content so far as obj, while the file is still written.
// The next commit replaces that. It reports whether the content lies over that too, as an edit
// does.
func (e *entry) setCommitted(obj s3backend.Object) (rebased bool) {
	e.over = obj
	if e.base.ETag == "" {
		return false
	}
	e.base = obj
	return true
}

// overAfter returns what the commit replaces after a rename to key, of which over is what is there,
// and what is obsolete then. removed is set if the version that the entry replaces now is removed
// in any case.
func (e *entry) overAfter(key string, over s3backend.Object,
	removed bool) (s3backend.Object, []s3backend.Object) {
	var obsolete []s3backend.Object
	for _, o := range append(slices.Clip(e.obsolete), e.over) {
		switch {
		case o.ETag == "" || o.Key == e.key && removed:
		case o.Key != key:
			obsolete = append(obsolete, o)
		case over.ETag == "":
			over = o // it comes back to where S3 still holds what it replaces
		}
	}
	return over, obsolete
}

// isObsolete reports whether a version is deleted once the item is delivered.
func (e *entry) isObsolete(key, etag string) bool {
	return slices.ContainsFunc(e.obsolete, func(v s3backend.Object) bool {
		return v.Key == key && v.ETag == etag
	})
}

// obsoleteNotAt returns the obsolete versions at other keys than this.
func (e *entry) obsoleteNotAt(key string) []s3backend.Object {
	return slices.DeleteFunc(slices.Clone(e.obsolete), func(v s3backend.Object) bool {
		return v.Key == key
	})
}

// renamed returns the record of a rename to key.
func renamed(key string, over s3backend.Object, obsolete []s3backend.Object,
	as ambiguousCommits) journal.Record {
	return journal.Record{Op: journal.OpRename, Key: key, Over: journal.VersionOf(over),
		Obsolete: journal.VersionsOf(obsolete), Ambiguous: slices.Clone(as)}
}

// isPrivate reports whether a file never leaves the outbox under its name. empty is set for a
// file without content.
func (e *entry) isPrivate(private *privatename.Patterns, empty bool) bool {
	if empty && e.over.ETag == "" {
		return private.Probe(e.key)
	}
	return private.Key(e.key)
}
