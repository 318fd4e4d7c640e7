package fs

import (
	"context"
	"errors"
	"path"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/s3share/s3share/cache"
	"github.com/s3share/s3share/fs/process"
	"github.com/s3share/s3share/s3backend"
)

// file is a file's inode.
type file struct {
	node

	// mu guards the fields below.
	mu    sync.Mutex
	of    *cache.File // what was opened last; the kernel's cached pages are of it
	opens int
	seen  cache.ShownVersion // what the name was shown to lead to
	// refused is set if a write was refused: the kernel's pages may have it, of a memory map.
	refused bool
	vain    error // of the last read that S3 did not answer, until the time below
	till    time.Time
	in      *dir // where it was renamed to, or another over it; nil for none
	as      string

	shown atomic.Int64 // the size that the kernel was sent last
	pages pages
}

const (
	// longWait is what a read takes only if S3 does not answer.
	longWait = 10 * time.Second
	// oneWait is how soon after that the kernel asks again for pages that it could
	// not read ahead: a program is not to wait twice.
	oneWait = time.Second
)

// fill is node.fill, and remembers what it shows.
func (f *file) fill(a cache.Attr, ino uint64, out *fuse.Attr) {
	f.shown.Store(a.Size)
	f.show(a.Version())
	f.node.fill(a, ino, out)
}

// fillUnseen is fill for the helper that announces arrivals: no program knows of it.
func (f *file) fillUnseen(a cache.Attr, ino uint64, out *fuse.Attr) {
	f.shown.Store(a.Size)
	f.node.fill(a, ino, out)
}

// show remembers the version that the kernel, and so some program, knows of.
func (f *file) show(v cache.ShownVersion) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = v
}

// version is what was shown last.
func (f *file) version() cache.ShownVersion {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen
}

// dropCachedSize makes the kernel ask for the size again if it has cached that of another version
// than the one that was opened: a read would end there.
func (f *file) dropCachedSize(h *cache.Handle) {
	if h.File().Attr().Size != f.shown.Load() {
		_ = f.NotifyContent(-1, 0) // the attributes alone; the kernel may have none
	}
}

// named notes the last name of the file: its own, or the one that another has taken.
func (f *file) named(d *dir, name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.in, f.as = d, name
}

// path returns the file's present path. If a rename replaced the name between a program's lookup
// and its open, the program opens the file that has the name now: the name always led to a file. A
// lookup that was answered meanwhile may even have put the inode from before into the place of the
// one that was renamed.
func (f *file) path() string {
	f.mu.Lock()
	in, as := f.in, f.as
	f.mu.Unlock()
	now := f.node.path()
	if _, parent := f.Parent(); parent == nil && in != nil {
		return in.join(as)
	}
	return now
}

// notAnswered notes that a read has waited for S3 in vain.
func (f *file) notAnswered(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.vain, f.till = err, time.Now().Add(oneWait)
}

// unanswered is the error of a read that has just waited in vain, or nil.
func (f *file) unanswered() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.vain != nil && time.Now().After(f.till) {
		f.vain = nil
	}
	return f.vain
}

var (
	_ = (fusefs.NodeOpener)((*file)(nil))
	_ = (fusefs.NodeGetattrer)((*file)(nil))
	_ = (fusefs.NodeSetattrer)((*file)(nil))
	_ = (fusefs.NodeGetxattrer)((*file)(nil))
)

// isOf reports whether a name that leads to a may lead to this inode: not while
// another file is open as it.
func (f *file) isOf(a cache.Attr) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.opens == 0 || f.of == a.File
}

// opened notes one more handle. False means that the inode is open as a file that
// the name does not lead to any more.
func (f *file) opened(h *cache.Handle) bool {
	if h.CanWrite() {
		f.pages.settle()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.opens > 0 && f.of != h.File() {
		return false
	}
	f.of, f.seen = h.File(), h.File().Version()
	f.opens++
	return true
}

// known is the file as the kernel knows it.
func (f *file) known() process.File {
	return process.File{Name: path.Base(f.path()), Ino: f.StableAttr().Ino, Device: f.s.device()}
}

// inUse reports whether some handle is open.
func (f *file) inUse() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.opens > 0
}

func (f *file) released() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.opens--
}

// current is the file that is open as this inode, or nil.
func (f *file) current() *cache.File {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.opens == 0 {
		return nil
	}
	return f.of
}

// openMode is what open(2)'s flags ask for. Source: open(2).
func openMode(flags uint32, opener *process.Process) cache.OpenMode {
	m := cache.OpenMode{
		Write:    flags&syscall.O_ACCMODE != syscall.O_RDONLY,
		Append:   flags&syscall.O_APPEND != 0,
		Truncate: flags&syscall.O_TRUNC != 0,
	}
	m.Write = m.Write || m.Truncate
	if opener != nil {
		m.Opener = opener
	}
	return m
}

// writeFlags are the kernel's flags for a handle that can write. One that cannot
// read goes past the page cache: that costs half, and such a handle has no use for
// it.
func writeFlags(flags uint32) uint32 {
	if flags&syscall.O_ACCMODE == syscall.O_WRONLY {
		return fuse.FOPEN_DIRECT_IO
	}
	return fuse.FOPEN_KEEP_CACHE
}

func (f *file) Open(ctx context.Context, flags uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	f.mu.Lock()
	before := f.of
	f.mu.Unlock()
	var opener *process.Process
	if flags&syscall.O_ACCMODE != syscall.O_RDONLY {
		opener = f.s.caller(ctx)
	}
	mode, budget := openMode(flags, opener), f.budget(ctx, flags)
	if budget != nil {
		mode.MayFetch = budget.Take
	}
	h, err := f.open(withCaller(ctx, opener), mode)
	if err != nil {
		opener.Release()
		return nil, 0, f.s.errnoFor("open", f.path(), err)
	}
	if !f.opened(h) {
		h.Release()
		opener.Release()
		return nil, 0, syscall.ESTALE // the kernel looks the name up again
	}
	f.dropCachedSize(h)
	fh := newHandle(f, h, opener)
	switch {
	case flags&syscall.O_ACCMODE == syscall.O_WRONLY:
		return fh, writeFlags(flags), 0
	case (budget != nil || !f.dropsRefused()) && before != nil && before.Same(h.File()):
		return fh, fuse.FOPEN_KEEP_CACHE | readFlags(budget), 0
	}
	return fh, readFlags(budget), 0
}

// writeRefused records that a write was refused. The next open has the kernel drop its pages.
func (f *file) writeRefused() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refused = true
}

// dropsRefused reports whether the kernel has to drop its pages, and forgets that.
func (f *file) dropsRefused() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	was := f.refused
	f.refused = false
	return was
}

// open opens the file that is open as this inode, or what has its name.
func (f *file) open(ctx context.Context, mode cache.OpenMode) (*cache.Handle, error) {
	if cur := f.current(); cur != nil && cur.Attr().Unnamed {
		h, err := cur.Reopen(ctx, mode)
		if !errors.Is(err, s3backend.NotExist) {
			return h, err
		} // it was closed in this moment
	}
	return f.s.cache.Open(ctx, f.path(), mode)
}

func (f *file) Getattr(ctx context.Context, fh fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	if an, ok := f.s.announcer.asks(ctx); ok {
		return an.fileAttr(f, out)
	}
	a, err := f.attr(ctx, fh)
	if err != nil {
		return f.s.errnoFor("getattr", f.path(), err)
	}
	f.fill(a, f.StableAttr().Ino, &out.Attr)
	return 0
}

func (f *file) attr(ctx context.Context, fh fusefs.FileHandle) (cache.Attr, error) {
	if h, ok := fh.(*handle); ok {
		return h.h.File().Attr(), nil
	}
	if cur := f.current(); cur != nil {
		return cur.Attr(), nil
	}
	return f.s.cache.Stat(ctx, f.path())
}

func (f *file) Setattr(ctx context.Context, fh fusefs.FileHandle, in *fuse.SetAttrIn,
	out *fuse.AttrOut) syscall.Errno {
	if n := f.s.checkOwner(in); n != 0 {
		return n
	}
	if err := f.setattr(ctx, fh, in); err != nil {
		return f.s.errnoFor("setattr", f.path(), err)
	}
	return f.Getattr(ctx, fh, out)
}

func (f *file) setattr(ctx context.Context, fh fusefs.FileHandle, in *fuse.SetAttrIn) error {
	size, hasSize := in.GetSize()
	mtime, hasMtime := in.GetMTime()
	mode, hasMode := in.GetMode()
	switch {
	case !hasSize && !hasMtime && !hasMode:
		return nil
	case !hasSize && !hasMtime && f.current() == nil:
		return f.s.cache.SetMode(ctx, f.path(), mode&0o777)
	}
	p := f.s.caller(ctx)
	defer p.Release()
	ctx = withCaller(ctx, p)
	h, done, err := f.handleFor(ctx, fh)
	if err != nil {
		return err
	}
	defer done()
	if hasSize && !keepsTime(fh, int64(size), h.File().Attr().Size) {
		err = h.Truncate(ctx, int64(size))
	}
	if err == nil && hasMtime {
		err = h.SetMtime(ctx, mtime)
	}
	if err == nil && hasMode {
		err = h.SetMode(ctx, mode&0o777)
	}
	return err
}

// keepsTime reports whether a truncation leaves the file's time as it was: truncate(2) to
// the size that it has does, ftruncate(2) and O_TRUNC do not. The kernel sends O_TRUNC
// before it opens the file, so that one to 0 may be either. Source: POSIX.1-2017, truncate;
// Linux, fuse_do_setattr.
func keepsTime(fh fusefs.FileHandle, size, had int64) bool {
	return fh == nil && size > 0 && size == had
}

// handleFor returns a handle that may write: the caller's own, or one for this
// change alone.
func (f *file) handleFor(ctx context.Context,
	fh fusefs.FileHandle) (h *cache.Handle, done func(), err error) {
	if own, ok := fh.(*handle); ok && own.h.CanWrite() {
		return own.h, func() {}, nil
	}
	mode := cache.OpenMode{Write: true}
	if cur := f.current(); cur != nil {
		h, err = cur.Reopen(ctx, mode)
	} else {
		h, err = f.s.cache.Open(ctx, f.path(), mode)
	}
	if err != nil {
		return nil, nil, err
	}
	f.pages.settle()
	return h, h.Release, nil
}
