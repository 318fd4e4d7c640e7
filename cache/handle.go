package cache

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/s3share/s3share/cache/content"
	"github.com/s3share/s3share/cache/outbox"
)

// Handle is one open of a file. Its methods may be called concurrently, Release once.
type Handle struct {
	f        *File
	write    bool
	append   bool
	opener   outbox.Writer          // who opened it; nil if that is not known
	mayFetch func(bytes int64) bool // see OpenMode
	// closed is set when the process that opened the handle has closed its last descriptor
	// of it; the kernel may send RELEASE much later. A write by another process that has
	// the descriptor clears it. It is changed under Cache.mu.
	closed atomic.Bool
	// refused is set after a change returned an error. A later Truncate may be the program's
	// cleanup, so it does not end an interruption.
	refused atomic.Bool
}

// File is what the handle has open.
func (h *Handle) File() *File { return h.f }

// ReadAt reads into p from off on; at the end of the file it returns io.EOF with
// a short count.
func (h *Handle) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	return h.f.readAt(ctx, p, off, h.mayFetch)
}

// View is a part of a file as it lies in the cache's memory.
type View = content.View

// View returns up to n bytes from off, without a copy. It is nil if they have to be copied, or if
// there are none: the caller calls ReadAt.
func (h *Handle) View(ctx context.Context, off, n int64) (*View, error) {
	h.f.c.mu.Lock()
	it, r := h.f.item, h.f.reader
	h.f.c.mu.Unlock()
	if it != nil || r == nil || h.mayFetch != nil {
		return nil, nil
	}
	v, err := r.View(ctx, off, n)
	if errors.Is(err, content.ErrClosed) {
		return nil, nil // it has another location by now
	}
	return v, err
}

// Shows reports whether v, a View of this handle, has what the file holds, and no handle that could
// change that is open.
func (h *Handle) Shows(v *View) bool {
	f := h.f
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	return f.item == nil && f.writers == 0 && f.reader != nil && v.Of(f.reader)
}

// change calls do with the file's item. If it returns an error, the file is not delivered: see
// outbox.Item.Refuse.
func (h *Handle) change(ctx context.Context, do func(*outbox.Item) error) error {
	if h.closed.Load() {
		h.setClosed(false)
	}
	it, err := h.f.change(ctx)
	if err != nil {
		h.f.refuse(err)
	} else {
		if by := writerFrom(ctx); by != nil {
			it.WrittenBy(by)
		} else {
			it.OpenedBy(h.opener)
		}
		err = do(it)
	}
	if err != nil {
		h.refused.Store(true)
	}
	return err
}

// WriteAt stages p at off, or behind the end where the file was opened to append.
func (h *Handle) WriteAt(ctx context.Context, p []byte, off int64) (n int, err error) {
	err = h.change(ctx, func(it *outbox.Item) (err error) {
		if err = h.f.materializeBase(ctx, it); err != nil {
			return err
		}
		if h.append {
			_, n, err = it.Append(p)
		} else {
			n, err = it.WriteAt(p, off)
		}
		return err
	})
	return n, err
}

// Truncate sets the file's size.
func (h *Handle) Truncate(ctx context.Context, size int64) error {
	return h.change(ctx, func(it *outbox.Item) error {
		if size > 0 {
			if err := h.f.materializeBase(ctx, it); err != nil {
				return err
			}
		}
		err := it.Truncate(size)
		if err == nil && !h.refused.Load() { // after a refused change the truncate may be cleanup
			it.Renew()
		}
		if err == nil && size == 0 {
			it.BegunBy(writerFrom(ctx))
		}
		return err
	})
}

// Allocate makes sure that the file is at least size bytes long. Its time changes in any
// case, as that of a local file does.
func (h *Handle) Allocate(ctx context.Context, size int64) error {
	return h.change(ctx, func(it *outbox.Item) error {
		if err := h.f.materializeBase(ctx, it); err != nil {
			return err
		}
		return it.Grow(size)
	})
}

// Punch makes [off, off+n) read as zero; the size stays. The time changes also where n is 0.
func (h *Handle) Punch(ctx context.Context, off, n int64) error {
	return h.change(ctx, func(it *outbox.Item) error {
		if err := h.f.materializeBase(ctx, it); err != nil {
			return err
		}
		return it.Punch(off, off+n)
	})
}

// Lseek finds the next hole, or the next data, from off on. The error is errBehindEnd if off is at
// or after the end of the file.
func (h *Handle) Lseek(off int64, hole bool) (int64, error) {
	h.f.c.mu.Lock()
	it, size := h.f.item, h.f.attrLocked().Size
	h.f.c.mu.Unlock()
	switch {
	case it != nil:
		return it.Lseek(off, hole)
	case off >= size:
		return 0, errBehindEnd
	case hole:
		return size, nil
	}
	return off, nil
}

// Closing says how a descriptor of a handle is closed.
type Closing struct {
	By     outbox.Writer // the process; nil if that is not known
	Killed bool          // a signal is ending it
	// Last: it is the process that opened the file, and has no other descriptor of it.
	Last   bool
	Unsure bool // it may be the last: to find that out would take too long
}

// Flush is called at each close(2) of a descriptor of this handle. Flush seals the file when the
// opener closes its last descriptor; from then on it survives the end of the daemon. With --sync,
// that close also waits for S3. If Unsure, Flush seals but does not wait. A close by another
// process that inherited the descriptor does neither.
func (h *Handle) Flush(ctx context.Context, how Closing) error {
	if !h.write {
		return nil
	}
	if it := h.f.pending(); it != nil && how.By != nil {
		it.ClosedBy(how.By, how.Killed)
	}
	if !how.Last && !how.Unsure {
		return nil
	}
	h.setClosed(true)
	it := h.itemIfLastWriter()
	if it == nil {
		return nil
	}
	if err := it.Seal(); err != nil {
		return err
	}
	if !h.f.c.cfg.Sync || how.Unsure {
		return nil
	}
	return h.commit(ctx)
}

// Fsync returns when what was written is on the local disk, or in S3 where the
// exchange is mounted so.
func (h *Handle) Fsync(ctx context.Context) error {
	it := h.f.pending()
	if it == nil {
		return nil
	}
	if err := it.Sync(); err != nil {
		return err
	}
	if !h.write || !h.f.c.cfg.Sync {
		return nil
	}
	return h.commit(ctx)
}

// setClosed sets closed of a handle that can write.
func (h *Handle) setClosed(closed bool) {
	if !h.write {
		return
	}
	h.f.c.mu.Lock()
	defer h.f.c.mu.Unlock()
	h.setClosedLocked(closed)
}

func (h *Handle) setClosedLocked(closed bool) {
	switch was := h.closed.Swap(closed); {
	case closed && !was:
		h.f.writing--
	case was && !closed:
		h.f.writing++
	}
}

// itemIfLastWriter returns the file's item if no other handle can write to it and it has a name;
// otherwise nil.
func (h *Handle) itemIfLastWriter() *outbox.Item {
	f := h.f
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	others := f.writing
	if !h.closed.Load() {
		others--
	}
	if !f.held || others > 0 || f.unnamed {
		return nil
	}
	return f.item
}

// commit waits for S3, unless another handle is writing the file: then its close waits.
func (h *Handle) commit(ctx context.Context) error {
	h.f.changing.Lock()
	defer h.f.changing.Unlock()
	it := h.itemIfLastWriter()
	if it == nil {
		return nil
	}
	return it.Commit(ctx)
}

// Release ends the handle.
func (h *Handle) Release() { h.f.close(h) }

// SetMtime sets the time of the file's last change. It does not go through Handle.change: if it
// fails, the content is complete, and is delivered all the same.
func (h *Handle) SetMtime(ctx context.Context, t time.Time) error {
	it, err := h.f.change(ctx)
	if err != nil {
		return err
	}
	return it.SetMtime(t)
}

// SetMode sets the permission bits, which travel with the file where it is pending.
func (h *Handle) SetMode(ctx context.Context, mode uint32) error {
	h.f.changing.Lock()
	defer h.f.changing.Unlock()
	it, err := h.f.hold(ctx)
	if err != nil {
		return err
	}
	if it != nil {
		return it.SetMode(mode)
	}
	h.f.c.mu.Lock()
	obj := h.f.obj
	h.f.c.mu.Unlock()
	h.f.c.attrs.setMode(obj.Key, obj.ETag, mode)
	return nil
}

// CanWrite reports whether the file was opened for writing.
func (h *Handle) CanWrite() bool { return h.write }

type writerKey struct{}

// WithWriter is ctx for what a process asks for.
func WithWriter(ctx context.Context, w outbox.Writer) context.Context {
	return context.WithValue(ctx, writerKey{}, w)
}

// writerFrom returns the process that asks, or nil if that is not known.
func writerFrom(ctx context.Context) outbox.Writer {
	w, _ := ctx.Value(writerKey{}).(outbox.Writer)
	return w
}
