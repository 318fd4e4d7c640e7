package cache

import (
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"slices"
	"sync"

	"github.com/s3share/s3share/cache/content"
	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/s3backend"
)

// File is a file that is open or pending: the identity behind an inode. It follows
// its content when it is renamed, and keeps it when its name is removed or taken
// by another while it is open.
type File struct {
	c  *Cache
	id uint64

	// changing is held by whoever begins or ends an outbox item for the file. Take
	// it before Cache.mu; requests may go out under it.
	changing sync.Mutex

	// The fields below are guarded by Cache.mu.
	key           string
	obj           s3backend.Object // the version opened, or under what is pending; no ETag for none
	reader        *content.Reader  // of obj, while there are handles and no item
	item          *outbox.Item     // nil while nothing is pending
	baseReader    *content.Reader  // the base of item's content
	staged        bool             // item's staged file is open for the handles
	held          bool             // the writers hold item back from delivery
	handles       int
	writers       int    // handles that can write
	writing       int    // of the writers, those that are not closed, see Handle.closed
	unnamed       bool   // its name was removed while it is open
	refused       error  // of a change that not even an item could be begun for
	removeAtClose func() // called at the last close: removes the object at S3; nil for none
}

// attrLocked is what is shown of the file. The caller holds Cache.mu.
func (f *File) attrLocked() Attr {
	a := f.c.attrs.of(f.obj)
	a.Key, a.File, a.Unnamed = f.key, f, f.unnamed
	if f.item != nil {
		a.Deny = f.c.grants.Denied(f.key, true)
		size, mtime, mode, hasMode := f.item.Stat()
		if !f.item.Untouched() { // else nothing was changed yet
			a.Size, a.Mtime = size, mtime
		}
		if hasMode || f.item.Base().ETag == "" { // a new file has nothing of what it replaces
			a.Mode, a.HasMode = mode, hasMode
		}
	}
	return a
}

// Attr returns what is shown of the file, also when it has no name any more.
func (f *File) Attr() Attr {
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	return f.attrLocked()
}

// status returns where the file is on its way to S3. The state is "" for a file that has
// no name any more, and for one that was never pending.
func (f *File) status() outbox.Status {
	f.c.mu.Lock()
	it, held := f.item, f.obj.ETag != "" && !f.unnamed
	f.c.mu.Unlock()
	switch {
	case it != nil:
		return it.Status()
	case held:
		return outbox.Status{State: outbox.Delivered}
	}
	return outbox.Status{}
}

// deliveredLocked makes the committed version the file's content.
func (f *File) deliveredLocked(it *outbox.Item, obj s3backend.Object) {
	f.obj, f.held = obj, false
	f.endItemLocked(it)
	if f.handles > 0 {
		f.reader = f.c.blocks.Open(obj)
		return
	}
	f.c.files.drop(f)
}

// endItemLocked detaches an item that is no longer pending.
func (f *File) endItemLocked(it *outbox.Item) {
	if f.item != it {
		return
	}
	f.item = nil
	if f.staged {
		f.staged = false
		it.Close()
	}
	if f.baseReader != nil {
		f.baseReader.Close()
		f.baseReader = nil
	}
}

// readAt reads what the file holds now. It waits no longer than ctx. For mayFetch, see OpenMode.
func (f *File) readAt(ctx context.Context, p []byte, off int64,
	mayFetch func(bytes int64) bool) (int, error) {
	for {
		f.c.mu.Lock()
		it, r := f.item, f.reader
		f.c.mu.Unlock()
		var n int
		var err error
		switch {
		case it != nil:
			n, err = it.ReadAt(ctx, p, off)
		case r != nil && mayFetch != nil:
			n, err = r.ReadSparing(ctx, p, off, mayFetch)
		case r != nil:
			n, err = r.ReadAt(ctx, p, off)
		default:
			return 0, io.EOF // empty, and nothing was ever written
		}
		if !errors.Is(err, os.ErrClosed) && !errors.Is(err, content.ErrClosed) {
			return n, err
		}
		// It was delivered, or renamed, between the two: read its new location.
		f.c.mu.Lock()
		same := f.item == it && f.reader == r
		f.c.mu.Unlock()
		if same {
			return n, err
		}
	}
}

// openLocked counts one more handle. The caller holds Cache.mu; ErrGone means that
// the item was delivered just now, and the caller looks again.
func (f *File) openLocked(write bool) error {
	if f.item != nil && !f.staged {
		if err := f.item.Open(); err != nil {
			return err
		}
		f.staged = true
	}
	if f.item == nil && f.reader == nil && f.obj.ETag != "" {
		f.reader = f.c.blocks.Open(f.obj)
	}
	f.handles++
	if write {
		f.writers++
		f.writing++
	}
	return nil
}

// close ends one handle. After the last writer the item is sealed; after the last
// handle of a removed file its bytes are gone.
func (f *File) close(h *Handle) {
	f.changing.Lock()
	defer f.changing.Unlock()
	c := f.c
	c.mu.Lock()
	f.handles--
	if h.write {
		f.writers--
		h.setClosedLocked(true)
	}
	it := f.item
	release := f.held && f.writers == 0 && !f.unnamed
	if release {
		f.held = false
	}
	// The others that could write are closed, and the kernel ends them a little later.
	seal := h.write && f.held && f.writing == 0 && !f.unnamed
	if f.writers == 0 {
		f.refused = nil
	}
	drop := f.handles == 0 && f.unnamed
	if f.handles == 0 {
		if f.staged && !drop {
			f.staged = false
			defer it.Close()
		}
		f.closeReaderLocked()
		if it == nil {
			c.files.drop(f)
		}
	}
	closed := f.removeAtClose
	if drop {
		f.removeAtClose = nil
	}
	c.mu.Unlock()
	switch {
	case drop && it != nil:
		f.dropItem(it)
	case release && it.Untouched(): // its first write was refused
		f.dropItem(it)
	case release:
		it.Release()
	case h.write && it != nil:
		if seal && !it.Untouched() {
			// No program is left to return an error to. Seal notes it, and the file is not
			// delivered.
			_ = it.Seal()
		}
		it.CheckWritersLater()
	}
	if drop && closed != nil {
		closed()
	}
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

// endWriters ends the handles that can write, without waiting for Release. It may follow.
func (f *File) endWriters() {
	f.changing.Lock()
	defer f.changing.Unlock()
	f.c.mu.Lock()
	it := f.item
	ends := it != nil && f.held && !f.unnamed
	if ends {
		f.held = false
	}
	f.c.mu.Unlock()
	switch {
	case !ends:
	case it.Untouched():
		f.dropItem(it)
	default:
		it.ReleaseCut()
	}
}

// dropItem ends the file's pending item: the file is then as S3 holds it. The caller
// holds changing.
func (f *File) dropItem(it *outbox.Item) {
	it.Drop()
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	f.held = false
	if f.unnamed {
		f.c.outcomes.note(f.key, Removed, "")
	}
	delete(f.c.pending, it)
	f.endItemLocked(it)
	switch {
	case f.handles == 0:
		f.c.files.drop(f)
	case f.obj.ETag != "" && f.reader == nil:
		f.reader = f.c.blocks.Open(f.obj)
	}
}

// Same reports whether g has the bytes that f had when it was closed, or has now.
func (f *File) Same(g *File) bool {
	if f == g {
		return true
	}
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	return f.item == nil && g.item == nil && f.obj.ETag != "" &&
		f.obj.ETag == g.obj.ETag && f.obj.Key == g.obj.Key
}

// pending returns the file's pending item, or nil.
func (f *File) pending() *outbox.Item {
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	return f.item
}
