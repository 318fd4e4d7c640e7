package outbox

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/s3share/s3share/cache/outbox/uplink"
	"github.com/s3share/s3share/s3backend"
)

// ErrGone is returned for an item that is not pending any more: it was delivered or dropped.
var ErrGone = errors.New("no longer in the outbox")

// ErrUnread is joined to Stale if a version cannot be replaced because the policy does not let us
// read it, and nothing shows that it is ours.
var ErrUnread = errors.New(
	"it may not be read here, so that what is there counts as the other party's")

// errTaken cancels a delivery because a program writes to, renames or removes the file.
var errTaken = errors.New("taken back before it was delivered")

// Item is one file that is pending, from its first write until S3 has confirmed it, or a
// directory marker, which has no content.
//
// It consists of a target (the object that it is to become), its staged content and the integrity
// of that (whether it is all that its writers meant), its journal, and what is uploading. These
// have locks of their own. What mu guards is the schedule (whether and when the item is delivered).
// Take changing before the others, and mu before the locks of what is uploading, of the target, of
// the integrity, of the Outbox, of removals, of the journal and of the stage. None is held across a
// request.
type Item struct {
	o      *Outbox
	folder bool
	path   string        // of the staged file; the journal's has journal.Suffix in addition
	edits  bool          // it has a base
	gone   chan struct{} // closed when the item is delivered or dropped

	sharedTarget
	sealing
	uploading     uploading
	materializing materializing
	annotations   savedAnnotations
	progress      uplink.Progress
	mayDiffer     atomic.Bool // S3 may hold other bytes under our commit ID
	overtaken     atomic.Bool // see Overtaken
	found         atomic.Bool // see Found

	mu sync.Mutex // guards the rest, but for what is atomic
	schedule
}

// Bytes returns the whole content if it is in a slot, else nil. It is for Events.Delivered, which
// gets no path then.
func (it *Item) Bytes() []byte {
	if it.stage == nil || it.mayDiffer.Load() {
		return nil
	}
	return it.stage.Bytes()
}

// Overtaken reports whether S3 holds a version of the other party in the place of the item, of
// which only the time or the mode was changed. It is for Events.Confirmed.
func (it *Item) Overtaken() bool { return it.overtaken.Load() }

// Found reports whether S3 was found to hold the item already, by its commit ID: an earlier process
// may have been killed after it had reported that. It is for Events.Confirmed.
func (it *Item) Found() bool { return it.found.Load() }

// WasCommitted reports whether Events.Committed was called for the item as it is now. It is for
// Events.Confirmed.
func (it *Item) WasCommitted() bool { return it.inS3() }

// IsFolder reports whether the item is a directory marker.
func (it *Item) IsFolder() bool { return it.folder }

// Edited reports whether anything is staged over the base, or nothing of the base is left.
func (it *Item) Edited() bool {
	return it.stage != nil && it.stage.Edited()
}

// Gone returns a channel that is closed when the item is not pending any more.
func (it *Item) Gone() <-chan struct{} { return it.gone }

// Stat returns the file's size, the time of its last change, and its permission bits if they were
// set.
func (it *Item) Stat() (size int64, mtime time.Time, mode uint32, hasMode bool) {
	t := it.target()
	mode, hasMode = t.shownMode()
	if it.stage == nil {
		return 0, time.Now(), mode, hasMode
	}
	size, mtime = it.stage.Stat()
	return size, mtime, mode, hasMode
}

// StatOf is Stat of obj, as which the item was delivered. If the other party has replaced that, it
// is what the metadata of obj says.
func (it *Item) StatOf(obj s3backend.Object) (mtime time.Time, mode uint32, hasMode bool) {
	if it.folder || !it.mayDiffer.Load() {
		_, mtime, mode, hasMode = it.Stat()
		return mtime, mode, hasMode
	}
	mtime, ok := MtimeOf(obj.Header)
	if !ok {
		mtime = obj.Modified
	}
	mode, hasMode = ModeOf(obj.Header)
	return mtime, mode, hasMode
}

// isPrivate reports whether the item never leaves the outbox under its name.
func (it *Item) isPrivate() bool {
	t := it.target()
	return it.o.isPrivate(&t.entry, it.stage != nil && it.stage.Size() == 0)
}
