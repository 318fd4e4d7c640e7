//go:build linux

package main

import (
	"context"
	"path/filepath"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// node is a file or directory of the disk.
type node struct {
	*fs.LoopbackNode
	d *disk
}

func (d *disk) wrap(ops fs.InodeEmbedder) fs.InodeEmbedder {
	return &node{ops.(*fs.LoopbackNode), d}
}

var _ = (fs.NodeWrapChilder)((*node)(nil))

func (n *node) WrapChild(_ context.Context, ops fs.InodeEmbedder) fs.InodeEmbedder {
	return n.d.wrap(ops)
}

func (n *node) path() string { return n.Path(nil) }

// failsAt reports the error of an operation on a name.
func (n *node) failsAt(op, name string) syscall.Errno {
	errno, _ := n.d.fails(op, filepath.Join(n.path(), name))
	return errno
}

func (n *node) Create(ctx context.Context, name string, flags,
	mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	if errno := n.failsAt(opCreate, name); errno != 0 {
		return nil, nil, 0, errno
	}
	inode, fh, fuseFlags, errno := n.LoopbackNode.Create(ctx, name, flags, mode, out)
	if errno != 0 {
		return nil, nil, 0, errno
	}
	return inode, &file{fh.(*fs.LoopbackFile), inode.Operations().(*node)}, fuseFlags, 0
}

func (n *node) Open(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	if errno := n.failsAt(opOpen, ""); errno != 0 {
		return nil, 0, errno
	}
	fh, fuseFlags, errno := n.LoopbackNode.Open(ctx, flags)
	if errno != 0 {
		return nil, 0, errno
	}
	return &file{fh.(*fs.LoopbackFile), n}, fuseFlags, 0
}

func (n *node) Setattr(ctx context.Context, fh fs.FileHandle, in *fuse.SetAttrIn,
	out *fuse.AttrOut) syscall.Errno {
	if _, ok := in.GetSize(); ok {
		if errno := n.failsAt(opTruncate, ""); errno != 0 {
			return errno
		}
	}
	return n.LoopbackNode.Setattr(ctx, fh, in, out)
}

func (n *node) Rename(ctx context.Context, name string, newParent fs.InodeEmbedder,
	newName string, flags uint32) syscall.Errno {
	if errno := n.failsAt(opRename, name); errno != 0 {
		return errno
	}
	return n.LoopbackNode.Rename(ctx, name, newParent.(*node).LoopbackNode, newName, flags)
}

func (n *node) Unlink(ctx context.Context, name string) syscall.Errno {
	if errno := n.failsAt(opUnlink, name); errno != 0 {
		return errno
	}
	return n.LoopbackNode.Unlink(ctx, name)
}

func (n *node) Mkdir(ctx context.Context, name string, mode uint32,
	out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if errno := n.failsAt(opMkdir, name); errno != 0 {
		return nil, errno
	}
	return n.LoopbackNode.Mkdir(ctx, name, mode, out)
}

func (n *node) Rmdir(ctx context.Context, name string) syscall.Errno {
	if errno := n.failsAt(opRmdir, name); errno != 0 {
		return errno
	}
	return n.LoopbackNode.Rmdir(ctx, name)
}

// Link is of a name below this directory: the outbox may link what it adopts.
func (n *node) Link(ctx context.Context, target fs.InodeEmbedder,
	name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if errno := n.failsAt(opCreate, name); errno != 0 {
		return nil, errno
	}
	return n.LoopbackNode.Link(ctx, target.(*node).LoopbackNode, name, out)
}

func (n *node) OpendirHandle(ctx context.Context,
	flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	fh, fuseFlags, errno := n.LoopbackNode.OpendirHandle(ctx, flags)
	if errno != 0 {
		return nil, 0, errno
	}
	return &dir{fh.(dirStream), n}, fuseFlags, 0
}

// dirStream is what go-fuse's stream of a directory has.
type dirStream interface {
	fs.FileReaddirenter
	fs.FileSeekdirer
	fs.FileReleasedirer
	fs.FileFsyncdirer
}

// dir is an open directory.
type dir struct {
	dirStream
	n *node
}

func (d *dir) Fsyncdir(ctx context.Context, flags uint32) syscall.Errno {
	if errno := d.n.failsAt(opFsyncDir, ""); errno != 0 {
		return errno
	}
	return d.dirStream.Fsyncdir(ctx, flags)
}

// file is an open file.
type file struct {
	*fs.LoopbackFile
	n *node
}

func (f *file) Read(ctx context.Context, buf []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	if errno := f.n.failsAt(opRead, ""); errno != 0 {
		return nil, errno
	}
	return f.LoopbackFile.Read(ctx, buf, off)
}

func (f *file) Write(ctx context.Context, data []byte, off int64) (uint32, syscall.Errno) {
	errno, short := f.n.d.fails(opWrite, f.n.path())
	switch {
	case short:
		data = data[:len(data)/2]
	case errno != 0:
		return 0, errno
	}
	return f.LoopbackFile.Write(ctx, data, off)
}

func (f *file) Fsync(ctx context.Context, flags uint32) syscall.Errno {
	if errno := f.n.failsAt(opFsync, ""); errno != 0 {
		return errno
	}
	return f.LoopbackFile.Fsync(ctx, flags)
}

func (f *file) Allocate(ctx context.Context, off, size uint64, mode uint32) syscall.Errno {
	if errno := f.n.failsAt(opAllocate, ""); errno != 0 {
		return errno
	}
	return f.LoopbackFile.Allocate(ctx, off, size, mode)
}

// PassthroughFd keeps the kernel from writing past the rules.
func (f *file) PassthroughFd() (int, bool) { return 0, false }
