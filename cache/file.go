package cache

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"

	"github.com/s3share/s3share/cache/content"
	"github.com/s3share/s3share/cache/grants"
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
	a := f.c.objectAttrLocked(f.obj)
	a.Key, a.File, a.Unnamed = f.key, f, f.unnamed
	if f.item != nil {
		a.Deny = f.c.grants.Denied(f.key, true)
		var hasMode bool
		var mode uint32
		a.Size, a.Mtime, mode, hasMode = f.item.Stat()
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

// readAt reads what the file holds now. It waits no longer than ctx.
func (f *File) readAt(ctx context.Context, p []byte, off int64) (int, error) {
	for {
		f.c.mu.Lock()
		it, r := f.item, f.reader
		f.c.mu.Unlock()
		var n int
		var err error
		switch {
		case it != nil:
			n, err = it.ReadAt(ctx, p, off)
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

// change returns the item that takes a writer's changes, held back from delivery
// until the last writer releases the file.
func (f *File) change(ctx context.Context) (*outbox.Item, error) {
	f.c.mu.Lock()
	it, held := f.item, f.held
	f.c.mu.Unlock()
	if held {
		return it, nil
	}
	f.changing.Lock()
	defer f.changing.Unlock()
	it, err := f.hold(ctx)
	if it != nil || err != nil {
		return it, err
	}
	f.c.mu.Lock()
	obj := f.obj
	f.c.mu.Unlock()
	return f.newItem(obj, obj, nil)
}

// hold returns the item, held back from delivery as for change; nil where nothing is
// pending. The caller holds changing.
func (f *File) hold(ctx context.Context) (*outbox.Item, error) {
	for {
		f.c.mu.Lock()
		it, held := f.item, f.held
		f.c.mu.Unlock()
		if held || it == nil {
			return it, nil
		}
		err := it.Hold(context.WithoutCancel(ctx)) // see outbox.Item.MaterializeBase
		if err == nil {
			f.c.mu.Lock()
			f.held = true
			f.c.mu.Unlock()
			return it, nil
		}
		if !errors.Is(err, outbox.ErrGone) {
			return nil, err
		}
		<-it.Gone() // delivered meanwhile: deliveredLocked has run before
	}
}

// refuse notes that a writer was refused a change, for the item that its next one begins.
func (f *File) refuse(err error) {
	f.c.mu.Lock()
	it := f.item
	if it == nil {
		f.refused = err
	}
	f.c.mu.Unlock()
	if it != nil {
		it.Refuse(err)
	}
}

// materializeBase makes sure that an edit of the base can be delivered. It copies a small base
// here. Of a large one that may not be readable, it reads the first byte. It returns S3's error
// before anything is written.
func (f *File) materializeBase(ctx context.Context, it *outbox.Item) error {
	if err := it.MaterializeBase(ctx); err != nil {
		return err
	}
	f.c.mu.Lock()
	under, key := f.baseReader, f.key
	f.c.mu.Unlock()
	if under == nil || it.Edited() || f.c.grants.Denied(key, false)&grants.ReadBits == 0 {
		return nil
	}
	if _, err := under.ReadAt(ctx, make([]byte, 1), 0); errors.Is(err, s3backend.Denied) {
		return err
	}
	return nil
}

// newItem stages a change of the file: over is the version that the commit replaces at the key,
// base the version that the content is a change of, mode the permission bits that it is made
// with, nil for none. The caller holds changing, or f is new.
func (f *File) newItem(over, base s3backend.Object, mode *uint32) (*outbox.Item, error) {
	f.c.mu.Lock()
	key, unnamed := f.key, f.unnamed
	f.c.mu.Unlock()
	return f.newItemOver(base, func(base s3backend.Object, read outbox.Base) (*outbox.Item, error) {
		if unnamed {
			return f.c.out.CreateUnnamed(key, base, read)
		}
		return f.c.out.Create(key, over, base, read, mode)
	})
}

// newPrivateItem stages a private file with this key, whose content is that of S3's object old. The
// caller holds changing.
func (f *File) newPrivateItem(key string, old s3backend.Object) (*outbox.Item, error) {
	return f.newItemOver(old, func(base s3backend.Object, read outbox.Base) (*outbox.Item, error) {
		return f.c.out.CreatePrivate(key, base, read)
	})
}

// newItemOver makes an item of the file, whose content is a change of base.
func (f *File) newItemOver(base s3backend.Object, create func(s3backend.Object, outbox.Base) (*outbox.Item, error)) (*outbox.Item, error) {
	var under *content.Reader
	var read outbox.Base
	if base.ETag != "" {
		under = f.c.blocks.Open(base)
		read = under
		if base.Header == nil {
			base.Header = f.c.names.Header(base.Key, base.ETag)
		}
	}
	f.c.mu.Lock()
	refused := f.refused
	f.c.mu.Unlock()
	it, err := create(base, read)
	if err != nil {
		if under != nil {
			under.Close()
		}
		return nil, err
	}
	if refused != nil {
		it.Refuse(refused)
	}
	f.c.keepMode(it, base)
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	f.item, f.baseReader, f.refused, f.held, f.staged = it, under, nil, true, true
	f.closeReaderLocked()
	f.c.pending[it] = f
	if !f.unnamed {
		f.c.files.put(f)
	}
	return it, nil
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
	return f.item == nil && g.item == nil && f.obj.ETag != "" && f.obj.ETag == g.obj.ETag && f.obj.Key == g.obj.Key
}

// pending returns the file's pending item, or nil.
func (f *File) pending() *outbox.Item {
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	return f.item
}
