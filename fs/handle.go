package fs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/s3share/s3share/cache"
	"github.com/s3share/s3share/fs/process"
	"github.com/s3share/s3share/s3backend"
)

// syncDeadline bounds how long a close that waits for S3 can be held up by a dead
// network. The file stays in the outbox.
const syncDeadline = 2 * time.Minute

// handle is one open of a file.
type handle struct {
	f      *file
	h      *cache.Handle
	opener *process.Process // nil where it cannot write, or that is not known

	released bool // guarded by pages.mu of f

	// mu guards the fields below.
	mu     sync.Mutex
	writer *process.Process // who asked for something last; nil before
	thread int              // of it
}

// newHandle takes over the caller's use of opener.
func newHandle(f *file, h *cache.Handle, opener *process.Process) *handle {
	return &handle{f: f, h: h, opener: opener}
}

// caller is Server.caller for a process that writes: it asks again and again.
func (h *handle) caller(ctx context.Context) *process.Process {
	tid := callerTID(ctx)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.writer == nil || h.thread != tid || h.writer.Gone() {
		p := h.f.s.processes.Of(tid)
		h.writer.Release()
		h.writer, h.thread = p, tid
	}
	h.writer.Hold()
	return h.writer
}

var (
	_ = (fusefs.FileReader)((*handle)(nil))
	_ = (fusefs.FileWriter)((*handle)(nil))
	_ = (fusefs.FileFlusher)((*handle)(nil))
	_ = (fusefs.FileFsyncer)((*handle)(nil))
	_ = (fusefs.FileReleaser)((*handle)(nil))
	_ = (fusefs.FileAllocater)((*handle)(nil))
	_ = (fusefs.FileLseeker)((*handle)(nil))
)

// errnoFor is Server.errnoFor for an open file: if S3 does not have its version any more, the
// handle is stale, and not the name unknown.
func (h *handle) errnoFor(op string, err error) syscall.Errno {
	if errors.Is(err, s3backend.NotExist) {
		err = fmt.Errorf("%w: %w", s3backend.Stale, err)
	}
	return h.f.s.errnoFor(op, h.f.path(), err)
}

func (h *handle) Read(ctx context.Context,
	dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	if err := h.f.unanswered(); err != nil {
		return nil, h.errnoFor("read", err)
	}
	began := time.Now()
	read := h.f.pages.begin(off, int64(len(dest)))
	v, err := h.h.View(ctx, off, int64(len(dest)))
	if v != nil {
		return view{v, h, read}, 0
	}
	res, no := h.readCopied(ctx, dest, off, err, began)
	if no != 0 {
		h.f.pages.answered(read)
		return nil, no
	}
	return copied{res, h, read}, 0
}

// readCopied reads into dest, unless there was an error already.
func (h *handle) readCopied(ctx context.Context, dest []byte, off int64, err error,
	began time.Time) (fuse.ReadResult, syscall.Errno) {
	n := 0
	if err == nil {
		n, err = h.h.ReadAt(ctx, dest, off)
	}
	if errors.Is(err, cache.ErrSpared) { // it is counted, and not worth a line for each read
		return nil, syscall.EIO
	}
	if err != nil && ctx.Err() == nil && time.Since(began) > longWait {
		h.f.notAnswered(err)
	}
	if no := h.errnoFor("read", err); no != 0 {
		return nil, no
	}
	return fuse.ReadResultData(dest[:n]), 0
}

// copied answers a read with a copy of the bytes.
type copied struct {
	fuse.ReadResult
	h    *handle
	read *pageRead
}

func (c copied) Done() {
	c.h.f.pages.answered(c.read)
	c.ReadResult.Done()
}

// view answers a read from where the bytes lie.
type view struct {
	*cache.View
	h    *handle
	read *pageRead
}

var _ fuse.ReadResult = view{}

// Size, Slices and Done are all that go-fuse asks of a result that has Slices; it
// calls Done once, when the kernel has the bytes. Source: go-fuse, fuse/read.go.
func (v view) Size() int                       { return v.Len() }
func (v view) Slices() ([][]byte, fuse.Status) { return v.View.Slices(), fuse.OK }

func (v view) Done() {
	v.h.f.pages.answered(v.read)
	v.h.give(v.View)
	v.Release()
}

// Bytes joins the slices.
func (v view) Bytes(buf []byte) ([]byte, fuse.Status) {
	return slices.Concat(v.View.Slices()...), fuse.OK
}

func (h *handle) Write(ctx context.Context, data []byte, off int64) (uint32, syscall.Errno) {
	p := h.caller(ctx)
	defer p.Release()
	n, err := h.h.WriteAt(withCaller(ctx, p), data, off)
	if err != nil {
		h.f.writeRefused()
	}
	return uint32(n), h.errnoFor("write", err)
}

// Flush is sent for each close(2). An interrupt must not cut it short: the
// descriptor is gone already, and nobody retries.
func (h *handle) Flush(ctx context.Context) syscall.Errno {
	if !h.h.CanWrite() {
		return 0
	}
	p := h.caller(ctx)
	defer p.Release()
	how := h.f.s.closing(p, h.opener, h.f.known())
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), syncDeadline)
	defer cancel()
	return h.errnoFor("close", h.h.Flush(ctx, how))
}

func (h *handle) Fsync(ctx context.Context, _ uint32) syscall.Errno {
	ctx, cancel := context.WithTimeout(ctx, syncDeadline)
	defer cancel()
	return h.errnoFor("fsync", h.h.Fsync(ctx))
}

func (h *handle) Release(context.Context) syscall.Errno {
	h.f.pages.mu.Lock()
	h.released = true
	h.f.pages.mu.Unlock()
	h.f.released() // first: whoever comes now looks the name up again
	h.h.Release()
	h.opener.Release()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.writer.Release()
	h.writer = nil
	return 0
}

// Modes of fallocate(2). Source: linux/falloc.h.
const (
	keepSize  = 0x01
	punchHole = 0x02
	zeroRange = 0x10
)

// Allocate is fallocate(2).
func (h *handle) Allocate(ctx context.Context, off, size uint64, mode uint32) syscall.Errno {
	p := h.caller(ctx)
	defer p.Release()
	ctx = withCaller(ctx, p)
	var err error
	switch mode {
	case 0:
		err = h.h.Allocate(ctx, int64(off+size))
	case keepSize: // there is nothing to set aside, but the file's time changes
		err = h.h.Punch(ctx, int64(off), 0)
	case punchHole | keepSize, zeroRange | keepSize:
		err = h.h.Punch(ctx, int64(off), int64(size))
	case zeroRange:
		if err = h.h.Allocate(ctx, int64(off+size)); err == nil {
			err = h.h.Punch(ctx, int64(off), int64(size))
		}
	default:
		return syscall.EOPNOTSUPP
	}
	return h.errnoFor("fallocate", err)
}

// Lseek answers SEEK_DATA and SEEK_HOLE; the kernel does the others.
func (h *handle) Lseek(_ context.Context, off uint64, whence uint32) (uint64, syscall.Errno) {
	switch whence {
	case unix.SEEK_DATA, unix.SEEK_HOLE:
		n, err := h.h.Lseek(int64(off), whence == unix.SEEK_HOLE)
		return uint64(n), h.errnoFor("lseek", err)
	}
	return 0, syscall.EINVAL
}
