// Package changes finds what has changed in a bucket since the last report to a program, so each
// change is reported once, across any number of processes.
//
// A [Cursor] is a file that records which version of each object was reported. A [Look] compares
// it with a listing and returns the [Event]s that are due: an object that was created, changed or
// removed.
// Each report writes two lines to the file: [Log.Begin] before the report, and [Log.End] once the
// program has accepted it. If an event has begun and not ended, it is unknown whether it was
// reported: the next Look returns it again, with its number, as [Event.Again].
//
// A version is an object's ETag, size and time. Two changes between two Looks are one event. An
// object that was created and removed between them causes none.
package changes

import "time"

// Kind is what has happened to an object.
type Kind string

// The kinds.
const (
	Created Kind = "created" // there was none when it was told last
	Changed Kind = "changed" // it has another version than was told last
	Removed Kind = "removed" // it is gone
)

// Version is one version of an object. The zero Version is none.
type Version struct {
	ETag     string `json:"etag,omitempty"`
	Size     int64  `json:"size,omitempty"`
	Modified int64  `json:"modified,omitempty"` // S3's Last-Modified, in ns since 1970
}

// Time is S3's Last-Modified.
func (v Version) Time() time.Time { return time.Unix(0, v.Modified).UTC() }

// Event is a change that is to be told.
type Event struct {
	ID      uint64 // counts the events of a cursor from 1; 0 until it has begun
	Kind    Kind
	Key     string
	Version        // what the key holds now; of what was removed, the version that was told last
	Own     bool   // this side has made the version
	Sender  string // the account that is known to have sent it, "" if none is
	Again   bool   // it has begun before, and was not taken: it may have been told
}

// begun is an event that may have been told.
type begun struct {
	id      uint64
	kind    Kind
	version Version // the zero Version of a removal
	own     bool
}

// due returns the event that is due for an object: taken is the version that was told and taken
// last, now the one that S3 holds, each zero for none. may is an event that has begun since, nil
// for none: whoever is told may know of it. repeat is set if the event is that one. kind is ""
// if nothing is due.
func due(taken Version, may *begun, now Version) (kind Kind, repeat bool) {
	none := Version{}
	switch {
	case may != nil && may.version == now:
		return may.kind, true
	case may == nil && taken == now:
		return "", false
	case now == none:
		return Removed, false
	case taken == none || may != nil && may.kind == Removed:
		return Created, false
	}
	return Changed, false
}
