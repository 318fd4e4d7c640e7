package fs

import (
	"context"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/s3share/s3share/cache"
	"github.com/s3share/s3share/cache/keyname"
)

// dirHandle is one open of a directory.
type dirHandle struct {
	d    *dir
	view *cache.Dir
	last cache.DirEntry
	dots int // how many of "." and ".." have been read
}

// dots are the first entries of every directory; positions count them.
var dots = []string{".", ".."}

var (
	_ = (fusefs.FileReaddirenter)((*dirHandle)(nil))
	_ = (fusefs.FileLookuper)((*dirHandle)(nil))
	_ = (fusefs.FileSeekdirer)((*dirHandle)(nil))
	_ = (fusefs.FileFsyncdirer)((*dirHandle)(nil))
)

func (h *dirHandle) rewind(ctx context.Context) syscall.Errno {
	v, err := h.d.s.cache.OpenDir(ctx, h.d.path())
	if err != nil {
		return h.d.s.errnoFor("opendir", h.d.path(), err)
	}
	h.view, h.dots = v, 0
	return 0
}

func (h *dirHandle) Readdirent(ctx context.Context) (*fuse.DirEntry, syscall.Errno) {
	if h.dots == 0 {
		// The stream begins with what is there now, not at opendir: a rewinddir before
		// the first entry is read does not reach us.
		if n := h.rewind(ctx); n != 0 {
			return nil, n
		}
	}
	if h.dots < len(dots) {
		name := dots[h.dots]
		h.dots++
		return &fuse.DirEntry{Name: name, Mode: syscall.S_IFDIR,
			Ino: h.d.StableAttr().Ino, Off: uint64(h.dots)}, 0
	}
	e, pos, ok, err := h.view.Next(ctx)
	if err != nil {
		return nil, h.d.s.errnoFor("readdir", h.d.path(), err)
	}
	if !ok {
		return nil, 0
	}
	h.last = e
	mode := uint32(syscall.S_IFREG)
	if e.Attr.Dir {
		mode = syscall.S_IFDIR
	}
	return &fuse.DirEntry{Name: e.Name, Mode: mode, Ino: keyname.Ino(e.Attr.Key),
		Off: uint64(pos) + uint64(len(dots))}, 0
}

// Lookup answers for the entry read last, without asking again.
func (h *dirHandle) Lookup(ctx context.Context, name string,
	out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	if name != h.last.Name {
		return h.d.Lookup(ctx, name, out)
	}
	if h.d.s.inodes.full() && h.d.GetChild(name) == nil {
		return nil, syscall.EAGAIN // not said to anybody: the entry goes out as a name alone
	}
	return h.d.child(ctx, name, h.last.Attr, out), 0
}

// Seekdir has Readdirent go on at a position; at 0, with what is there then. Each READDIR begins
// with it: see rawFS.
func (h *dirHandle) Seekdir(_ context.Context, off uint64) syscall.Errno {
	off &^= seekMark
	h.dots = min(int(off), len(dots))
	h.view.GoTo(int64(off) - int64(h.dots))
	return 0
}

// Fsyncdir returns when what was created, renamed or removed in the directory is on the
// local disk.
func (h *dirHandle) Fsyncdir(ctx context.Context, _ uint32) syscall.Errno {
	return h.d.s.errnoFor("fsync", h.d.path(), h.d.s.cache.SyncDir(ctx, h.d.path()))
}

func (d *dir) OpendirHandle(ctx context.Context,
	_ uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	dh := &dirHandle{d: d}
	if n := dh.rewind(ctx); n != 0 {
		return nil, 0, n
	}
	d.s.announcer.opened(d)
	return dh, 0, 0
}
