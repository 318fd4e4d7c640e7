package outbox

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/s3share/s3share/s3backend"
)

// ErrGone tells that an item is owed no more: it was delivered or dropped.
var ErrGone = errors.New("no longer in the outbox")

// errTaken cancels a delivery because somebody writes, renames or removes.
var errTaken = errors.New("taken back before it was delivered")

// Item is one file that is owed to S3, from its first write until S3 has
// confirmed it. A folder is an item without content.
type Item struct {
	o      *Outbox
	folder bool
	stage  *stage // nil for a folder
	sent   atomic.Int64

	// mu guards the fields below. Take it before Outbox.mu; it is never held
	// across a request.
	mu        sync.Mutex
	key       string
	base      s3backend.Object  // what stage lies over; no ETag without one
	over      s3backend.Object  // what the commit replaces at key; no ETag for a new name
	header    *s3backend.Header // what travels with it; nil until known
	mode      uint32            // permission bits, if hasMode
	hasMode   bool
	explicit  bool // a program set the time or the mode
	writers   int
	state     State
	reason    error
	denied    error // why S3 refuses this while it is still written
	timer     *time.Timer
	tries     int
	attempt   *attempt
	committed uint64 // the stage's seq that S3 holds, under -o sync
	up        *transfer
	offline   bool               // streaming failed; the commit will send all
	filling   bool               // the base is being copied here, since a put will need it
	leave     []s3backend.Object // versions to delete once this is delivered
	stale     []maybe            // keys where an attempt of ours may have landed
	beside    bool               // committed beside the other party's version
	gone      chan struct{}      // closed when delivered or dropped
}

// attempt is one run of deliver.
type attempt struct {
	cancel context.CancelCauseFunc
	done   chan struct{}
}

// maybe is a commit whose answer was lost.
type maybe struct {
	key   string
	size  int64
	mtime string
}

// Create stages a file at key: over says what S3 holds there and the commit will
// replace, base what the content lies upon. Either may be without an ETag, for
// none. The caller is its first writer, and calls Release.
func (o *Outbox) Create(key string, over, base s3backend.Object, read Base) (*Item, error) {
	size := base.Size
	if base.ETag == "" {
		size, read = 0, nil
	}
	st, err := newStage(o.stagePath(o.nextID.Add(1)), read, size)
	if err != nil {
		return nil, err
	}
	it := &Item{o: o, stage: st, key: key, over: over, base: base, header: base.Header, writers: 1, state: Open, gone: make(chan struct{})}
	o.add(it)
	return it, nil
}

// CreateFolder owes the object "name/" that makes a folder stay; key ends in a
// slash. The caller calls Release.
func (o *Outbox) CreateFolder(key string) *Item {
	it := &Item{o: o, folder: true, key: key, writers: 1, state: Open, gone: make(chan struct{})}
	o.add(it)
	return it
}

// Hold takes the item back from delivery, as one more writer; the caller calls
// Release. An attempt under way is given a moment to end, then cut off. The error
// is ErrGone once the item is owed no more.
func (it *Item) Hold(ctx context.Context) error {
	it.mu.Lock()
	for {
		if it.goneLocked() {
			it.mu.Unlock()
			return ErrGone
		}
		a := it.attempt
		if a == nil {
			break
		}
		it.mu.Unlock()
		if err := a.end(ctx); err != nil {
			return err
		}
		it.mu.Lock()
	}
	it.writers++
	it.state = Open
	if it.timer != nil {
		it.timer.Stop()
	}
	it.mu.Unlock()
	it.o.wake()
	return nil
}

// graceful is how long whoever takes an item back waits for a commit that is
// under way: most end within it, and need not be made out afterwards.
const graceful = time.Second

// end waits until the attempt is over, and cuts it off if that takes long.
func (a *attempt) end(ctx context.Context) error {
	t := time.NewTimer(graceful)
	defer t.Stop()
	for {
		select {
		case <-a.done:
			return nil
		case <-t.C:
			a.cancel(errTaken)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (it *Item) goneLocked() bool {
	select {
	case <-it.gone:
		return true
	default:
		return false
	}
}

// Release ends one writer's hold. After the last, the item is sealed, and
// committed when it has settled.
func (it *Item) Release() {
	it.mu.Lock()
	it.writers--
	if it.writers > 0 || it.goneLocked() {
		it.mu.Unlock()
		return
	}
	it.state, it.reason, it.tries, it.denied, it.offline = Sealed, nil, 0, nil, false
	if Private(it.key) {
		it.state = Local
	}
	if it.state == Sealed {
		it.scheduleLocked(it.o.cfg.Settle)
	}
	it.mu.Unlock()
	it.o.wake()
}

func (it *Item) scheduleLocked(d time.Duration) {
	if it.timer == nil {
		it.timer = time.AfterFunc(d, func() { it.o.enqueue(it) })
		return
	}
	it.timer.Reset(d)
}

// Retry commits a blocked or waiting item now.
func (it *Item) Retry() {
	it.mu.Lock()
	defer it.mu.Unlock()
	if it.writers == 0 && it.attempt == nil && !it.goneLocked() && (it.state == Sealed || it.state == Blocked) {
		it.state, it.tries = Sealed, 0
		it.scheduleLocked(0)
	}
}

// Rename gives the item another key; over is what S3 holds there. The caller
// holds the item. What S3 holds under the old key, because the item replaced it,
// is deleted after the delivery.
func (it *Item) Rename(key string, over s3backend.Object) {
	it.mu.Lock()
	if it.over.ETag != "" && it.over.Key != key {
		it.leave = append(it.leave, it.over)
	}
	up := it.up
	it.up = nil // an upload is bound to its key
	it.key, it.over = key, over
	it.mu.Unlock()
	it.o.abandon(up)
}

// Drop forgets the item and its bytes; the caller holds it. An upload that was
// begun is ended.
func (it *Item) Drop() {
	it.mu.Lock()
	if it.goneLocked() {
		it.mu.Unlock()
		return
	}
	up, stale := it.up, it.stale
	it.up, it.stale = nil, nil
	close(it.gone)
	it.mu.Unlock()
	it.o.abandon(up)
	it.o.removeStale(stale)
	if it.stage != nil {
		os.Remove(it.stage.path)
	}
	it.o.forget(it)
}

// Open makes the staged bytes available to ReadAt and the like; the caller calls
// Close. Create's caller has them open already. The error is ErrGone where the
// item was delivered, and its bytes handed on.
func (it *Item) Open() error {
	it.mu.Lock()
	defer it.mu.Unlock()
	if it.goneLocked() {
		return ErrGone
	}
	return it.stage.open()
}

// Close ends the caller's use of the staged bytes, not their way to S3.
func (it *Item) Close() { it.stage.close() }

// WriteAt stages p at off. Its error is the local disk's, or why S3 refuses the
// file if that is known already.
func (it *Item) WriteAt(p []byte, off int64) (int, error) {
	if err := it.refused(); err != nil {
		return 0, err
	}
	n, err := it.stage.writeAt(p, off)
	it.stream(off + int64(n))
	return n, err
}

// Append stages p behind the end, and returns where that was.
func (it *Item) Append(p []byte) (off int64, n int, err error) {
	if err := it.refused(); err != nil {
		return 0, 0, err
	}
	off, n, err = it.stage.append(p)
	it.stream(off + int64(n))
	return off, n, err
}

// ReadAt reads what was staged, over the base. At the end it returns io.EOF.
func (it *Item) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	return it.stage.readAt(ctx, p, off)
}

// Truncate sets the size.
func (it *Item) Truncate(size int64) error { return it.stage.truncate(size) }

// Grow makes the file at least size bytes long.
func (it *Item) Grow(size int64) error { return it.stage.grow(size) }

// Punch makes [off, end) read as zero, within the file's size.
func (it *Item) Punch(off, end int64) error { return it.stage.punch(off, end) }

// Lseek finds the next hole, or the next data, from off on; ENXIO behind the end.
func (it *Item) Lseek(off int64, hole bool) (int64, error) { return it.stage.seek(off, hole) }

// Sync returns when the staged bytes are on the local disk.
func (it *Item) Sync() error {
	if it.stage == nil {
		return nil
	}
	return it.stage.sync()
}

func (it *Item) refused() error {
	it.mu.Lock()
	defer it.mu.Unlock()
	return it.denied
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

// IsFolder tells a folder's own object from a file.
func (it *Item) IsFolder() bool { return it.folder }

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
	it.stage.mu.Lock()
	defer it.stage.mu.Unlock()
	return it.stage.size, it.stage.mtime, mode, hasMode
}

// SetMtime sets the time of the last change, which travels with the file.
func (it *Item) SetMtime(t time.Time) {
	it.mu.Lock()
	it.explicit = true
	it.mu.Unlock()
	it.stage.mu.Lock()
	defer it.stage.mu.Unlock()
	it.stage.mtime = t
	it.stage.seq++
}

// SetMode sets the permission bits, which travel with the file.
func (it *Item) SetMode(mode uint32) {
	it.mu.Lock()
	it.mode, it.hasMode, it.explicit = mode, true, true
	it.mu.Unlock()
	if it.stage != nil {
		it.stage.mu.Lock()
		it.stage.seq++
		it.stage.mu.Unlock()
	}
}

// Status tells where the item is on its way.
func (it *Item) Status() Status {
	size, mtime, _, _ := it.Stat()
	it.mu.Lock()
	defer it.mu.Unlock()
	st := Status{Key: it.key, State: it.state, Size: size, Sent: min(size, it.sent.Load()), Since: mtime}
	if it.goneLocked() {
		st.State = Delivered
		if it.beside {
			st.State = Conflict
		}
	}
	if it.reason != nil {
		st.Reason = it.reason.Error()
	}
	return st
}

// isNoSpace tells that the local disk is full.
func isNoSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// Permit sets the permission bits that a new file is made with.
func (it *Item) Permit(mode uint32) {
	it.mu.Lock()
	defer it.mu.Unlock()
	it.mode, it.hasMode = mode, true
}

// Unname takes the item's name: it will not be delivered. Its bytes stay for those
// who have it open, until Drop. The caller holds the item for good.
func (it *Item) Unname() {
	it.mu.Lock()
	it.offline = true
	up := it.up
	it.up = nil
	it.mu.Unlock()
	it.o.abandon(up)
}

// Fetch brings all of the base here, so that the item needs S3 no more.
func (it *Item) Fetch(ctx context.Context) error { return it.fill(ctx, 0, it.stage.length()) }
