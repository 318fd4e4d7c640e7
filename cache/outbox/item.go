package outbox

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/s3share/s3share/cache/extent"
	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/cache/outbox/stage"
	"github.com/s3share/s3share/s3backend"
)

// ErrGone tells that an item is owed no more: it was delivered or dropped.
var ErrGone = errors.New("no longer in the outbox")

// ErrUnread stands beside Stale where a version cannot be replaced because the policy
// does not let us read it, and nothing tells that it is the one that we put.
var ErrUnread = errors.New("it may not be read here, so that what is there counts as the other party's")

// errTaken cancels a delivery because somebody writes, renames or removes.
var errTaken = errors.New("taken back before it was delivered")

// Item is one file that is owed to S3, from its first write until S3 has
// confirmed it. A folder is an item without content.
type Item struct {
	o      *Outbox
	folder bool
	path   string       // of the staged file; its journal stands beside it
	stage  *stage.Stage // nil for a folder
	sent   atomic.Int64
	flying atomic.Int64 // bytes more that requests have read which S3 has not answered
	meter  meter
	edits  atomic.Bool // it lies over a base
	sealed atomic.Bool // the journal says that it is closed and complete
	named  atomic.Bool // the names of both files are on the disk
	begun  time.Time
	// lasting is set once something of it was promised to outlive a power loss, and
	// synced, if it is not 0, the bytesSeq behind that of the bytes on the disk.
	lasting atomic.Bool
	synced  atomic.Uint64
	// sealedOnDisk, if it is not 0, is the stage's seq, and one, at a seal by which a
	// later process would deliver the item even after a power loss.
	sealedOnDisk atomic.Uint64
	// unlike: S3 may hold other bytes under our commit ID than are staged.
	mayDiffer atomic.Bool
	// unbrought tells that S3 did not give the base when it was to be changed.
	baseUnavailable atomic.Bool
	// nameless tells that it will not be delivered: its name was removed, or it was dropped.
	unnamed atomic.Bool
	// sendsAll tells that S3 copies nothing of the base: see copyRefusedError.
	sendsAll atomic.Bool

	// changing is shared by those who change what the file holds, and held by whoever
	// writes a seal: what a seal says is all there, and nothing more.
	changing sync.RWMutex

	// logMu orders the lines of the journal, and guards the next six.
	logMu   sync.Mutex
	logGone bool
	slot    *stage.Slot // of the journal and of the staged bytes; nil: they have files
	logged  extent.Set  // what the journal knows to be staged over the base
	lines   int         // written so far
	onDiskN int         // of them, those that are on the disk
	keys    []string    // that lines gave the item or took from it which need not be on the disk yet

	// mu guards the fields below. Take it before Outbox.mu; it is never held
	// across a request.
	mu       sync.Mutex
	key      string
	base     s3backend.Object  // what stage lies over; no ETag without one
	over     s3backend.Object  // what the commit replaces at key; no ETag for a new name
	header   *s3backend.Header // what travels with it; nil until known
	mode     uint32            // permission bits, if hasMode
	hasMode  bool
	explicit bool // a program set the time or the mode
	writers  int
	since    time.Time // when it was taken up or closed last
	state    State
	notified State // the one that was told last
	reason   error
	denied   error // why S3 refuses this while it is still written
	timer    *time.Timer
	tries    int
	attempt  *attempt
	// contentID is the commit ID of the content that the stage had at contentIDSeq; ""
	// for none yet.
	contentID       string
	contentIDSeq    uint64
	committed       commitment // under -o sync
	up              *upload
	noPreupload     bool                // streaming failed; the commit will send all
	materializing   bool                // the base is being copied here, since a put will need it
	obsolete        []s3backend.Object  // versions to delete once this is delivered, or has been private for a while
	removalDeferred bool                // that while has begun
	deferredErr     error               // why they could not be deleted at its end
	unsure          bool                // of a folder: S3 may have made it unseen
	copies          []s3backend.Object  // versions of which a copy may be at key, see copiedFrom
	dependents      []*Item             // that lie over what the commit replaces, and get all of it before
	ambiguous       []journal.Ambiguous // what attempts may have left whose answers were lost
	theirs          string              // the key of the other party's version that this goes beside; "" for none
	interrupted     *interruption       // why it is not for delivery; nil if it is
	writtenBy       writers             // who may be ended by a signal before the file has settled
	checkingWriters bool                // CheckWritersLater is at work
	readers         []closer            // of versions that were opened for the stage
	gone            chan struct{}       // closed when delivered or dropped
	keptHere        error               // why S3 does not let the object be copied whose time was set
}

type closer interface{ Close() }

// opened has a version that was opened for the stage closed with the item.
func (it *Item) opened(b Base) Base {
	if c, ok := b.(closer); ok {
		it.mu.Lock()
		it.readers = append(it.readers, c)
		it.mu.Unlock()
	}
	return b
}

// Key is where the item goes.
func (it *Item) Key() string {
	it.mu.Lock()
	defer it.mu.Unlock()
	return it.key
}

// Over is the version at Key that the commit replaces; without an ETag if none.
func (it *Item) Over() s3backend.Object {
	it.mu.Lock()
	defer it.mu.Unlock()
	return it.over
}

// Base is the version that the item's content lies upon; without an ETag if none.
func (it *Item) Base() s3backend.Object {
	it.mu.Lock()
	defer it.mu.Unlock()
	return it.base
}

// Bytes are all that the item holds where it is small and has no file, else nil: for
// Events.Delivered, which is told no path then.
func (it *Item) Bytes() []byte {
	if it.stage == nil || it.mayDiffer.Load() {
		return nil
	}
	return it.stage.Bytes()
}

// MayBeThere reports whether S3 may hold a folder's own object that is not confirmed: the
// answer to an attempt to make it was lost, or the one before is still being removed.
func (it *Item) MayBeThere() bool {
	it.mu.Lock()
	defer it.mu.Unlock()
	return it.unsure
}

// IsFolder tells a folder's own object from a file.
func (it *Item) IsFolder() bool { return it.folder }

// KeptHere is why S3 has not taken a new time or mode of a version that it holds, nil
// where it has.
func (it *Item) KeptHere() error {
	it.mu.Lock()
	defer it.mu.Unlock()
	return it.keptHere
}

// Edited reports whether anything lies over the base, or all of the base is here.
func (it *Item) Edited() bool {
	return it.stage != nil && it.stage.Edited()
}

// Gone is closed when the item is owed no more.
func (it *Item) Gone() <-chan struct{} { return it.gone }

// Stat returns the file's size, the time of its last change, and its permission
// bits if they were set.
func (it *Item) Stat() (size int64, mtime time.Time, mode uint32, hasMode bool) {
	it.mu.Lock()
	mode, hasMode = it.mode, it.hasMode
	if !hasMode && it.header != nil {
		mode, hasMode = ModeOf(it.header)
	}
	it.mu.Unlock()
	if it.stage == nil {
		return 0, time.Now(), mode, hasMode
	}
	size, mtime = it.stage.Stat()
	return size, mtime, mode, hasMode
}

// StatOf is Stat of obj, as which the item was delivered: of a version that the other
// party has put there instead, it is what that says of itself.
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

// HasMode reports whether the item has permission bits of its own, and not only those of
// its base.
func (it *Item) HasMode() bool {
	it.mu.Lock()
	defer it.mu.Unlock()
	return it.hasMode
}

// Permit sets the permission bits that the item's base is shown with. It does not journal
// them: the caller sets them again after a recovery.
func (it *Item) Permit(mode uint32) {
	it.mu.Lock()
	defer it.mu.Unlock()
	it.mode, it.hasMode = mode, true
}

// privateLocked reports whether the item never leaves the outbox under its name. The caller
// holds mu.
func (it *Item) privateLocked() bool {
	if it.stage != nil && it.over.ETag == "" && it.stage.Size() == 0 {
		return it.o.cfg.Private.Probe(it.key)
	}
	return it.o.Private(it.key)
}
