package outbox

import (
	"errors"
	"sync/atomic"
	"time"

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
// It consists of its content (what is staged, journaled, and sent while it is written), its target
// (the object that it is to become), and its schedule (whether and when it is delivered). These
// have locks of their own, and know nothing of the item, which has none.
type Item struct {
	o      *Outbox
	folder bool
	path   string // of the staged file; the journal's has journal.Suffix in addition

	content
	sharedTarget
	schedule    schedule
	annotations savedAnnotations
	mayDiffer   atomic.Bool // S3 may hold other bytes under our commit ID
	overtaken   atomic.Bool // see Overtaken
	found       atomic.Bool // see Found
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

// IsFolder reports whether the item is a directory marker.
func (it *Item) IsFolder() bool { return it.folder }

// Open makes the staged bytes available to ReadAt and other methods; the caller calls Close.
// Create's caller has them open already. The error is ErrGone if the item was delivered, and its
// bytes handed on.
func (it *Item) Open() error {
	return it.schedule.ifPending(it.stage.Open)
}

// Gone returns a channel that is closed when the item is not pending any more.
func (it *Item) Gone() <-chan struct{} { return it.schedule.gone }

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
