package fs

import (
	"context"
	"errors"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/s3share/s3share/cache"
	"github.com/s3share/s3share/fs/arrival"
	"github.com/s3share/s3share/s3backend"
)

// dir is the inode of a directory.
type dir struct {
	node
	names arrival.Names // as those know them who watch the folder
}

var (
	_ = (fusefs.NodeLookuper)((*dir)(nil))
	_ = (fusefs.NodeGetattrer)((*dir)(nil))
	_ = (fusefs.NodeGetxattrer)((*dir)(nil))
	_ = (fusefs.NodeSetattrer)((*dir)(nil))
	_ = (fusefs.NodeOpendirHandler)((*dir)(nil))
	_ = (fusefs.NodeCreater)((*dir)(nil))
	_ = (fusefs.NodeMknoder)((*dir)(nil))
	_ = (fusefs.NodeMkdirer)((*dir)(nil))
	_ = (fusefs.NodeUnlinker)((*dir)(nil))
	_ = (fusefs.NodeRmdirer)((*dir)(nil))
	_ = (fusefs.NodeRenamer)((*dir)(nil))
	_ = (fusefs.NodeSymlinker)((*dir)(nil))
	_ = (fusefs.NodeLinker)((*dir)(nil))
)

func (d *dir) Lookup(ctx context.Context,
	name string, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	if an, ok := d.s.announcer.asks(ctx); ok {
		return an.lookup(ctx, d, name, out)
	}
	a, err := d.s.cache.Stat(ctx, d.join(name))
	if err != nil {
		if f := d.file(name); f != nil {
			f.show(cache.ShownVersion{})
		}
		return nil, d.s.errnoFor("lookup", d.join(name), err)
	}
	return d.child(ctx, name, a, out), 0
}

// file returns the file that was shown under a name, or nil.
func (d *dir) file(name string) *file {
	if ch := d.GetChild(name); ch != nil {
		f, _ := ch.Operations().(*file)
		return f
	}
	return nil
}

// shown returns the version that was shown under a name.
func (d *dir) shown(name string) cache.ShownVersion {
	if f := d.file(name); f != nil {
		return f.version()
	}
	return cache.ShownVersion{}
}

func (d *dir) Getattr(ctx context.Context, _ fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	if an, ok := d.s.announcer.asks(ctx); ok {
		return an.dirAttr(d, out)
	}
	a, err := d.s.cache.Stat(ctx, d.path())
	if errors.Is(err, s3backend.NotExist) || err == nil && !a.Dir {
		// Its last file went away at the other side. Who stands in it can list
		// it, and finds it empty.
		a, err = cache.Attr{Dir: true, Unnamed: true}, nil
	}
	if err != nil {
		return d.s.errnoFor("getattr", d.path(), err)
	}
	d.fill(a, d.StableAttr().Ino, &out.Attr)
	return 0
}

// ownMode returns the mode that a new file or directory keeps if a program asks for mode; nil if
// that is the mount's default.
func ownMode(mode, byDefault uint32) *uint32 {
	if mode &= 0o777; mode != byDefault {
		return &mode
	}
	return nil
}

// Setattr ignores what cannot be stored of a directory, such as set-group-id, so that copying one
// with its times and modes does not fail.
func (d *dir) Setattr(ctx context.Context, _ fusefs.FileHandle, in *fuse.SetAttrIn,
	out *fuse.AttrOut) syscall.Errno {
	if n := d.s.checkOwner(in); n != 0 {
		return n
	}
	if mode, ok := in.GetMode(); ok {
		if err := d.s.cache.SetDirMode(ctx, d.path(), mode&0o777); err != nil {
			return d.s.errnoFor("setattr", d.path(), err)
		}
	}
	if t, ok := in.GetMTime(); ok {
		if err := d.s.cache.SetDirMtime(ctx, d.path(), t); err != nil {
			return d.s.errnoFor("setattr", d.path(), err)
		}
	}
	return d.Getattr(ctx, nil, out)
}

// checkOwner refuses a chown to anybody but the owner of the mount.
func (s *Server) checkOwner(in *fuse.SetAttrIn) syscall.Errno {
	if uid, ok := in.GetUID(); ok && uid != s.cfg.UID {
		return syscall.EPERM
	}
	if gid, ok := in.GetGID(); ok && gid != s.cfg.GID {
		return syscall.EPERM
	}
	return 0
}

func (d *dir) Create(ctx context.Context, name string, flags uint32, mode uint32,
	out *fuse.EntryOut) (_ *fusefs.Inode, _ fusefs.FileHandle, _ uint32, errno syscall.Errno) {
	defer d.changing(name, arrival.File)(&errno)
	path := d.join(name)
	perm := ownMode(mode, d.s.fileMode())
	opener := d.s.caller(ctx)
	h, err := d.s.cache.Create(withCaller(ctx, opener), path, perm, flags&syscall.O_EXCL != 0,
		openMode(flags, opener))
	if err != nil {
		opener.Release()
		return nil, nil, 0, d.s.errnoFor("create", path, err)
	}
	ino := d.child(ctx, name, h.File().Attr(), out)
	f := ino.Operations().(*file)
	if !f.opened(h) {
		h.Release()
		opener.Release()
		return nil, nil, 0, syscall.ESTALE
	}
	return ino, newHandle(f, h, opener), writeFlags(flags), 0
}

func (d *dir) Mknod(ctx context.Context, name string, mode uint32,
	_ uint32, out *fuse.EntryOut) (_ *fusefs.Inode, errno syscall.Errno) {
	defer d.changing(name, arrival.File)(&errno)
	if mode&syscall.S_IFMT != syscall.S_IFREG {
		return nil, syscall.EPERM
	}
	maker := d.s.caller(ctx)
	defer maker.Release()
	h, err := d.s.cache.Create(ctx, d.join(name), ownMode(mode, d.s.fileMode()),
		true, openMode(syscall.O_WRONLY, maker))
	if err != nil {
		return nil, d.s.errnoFor("mknod", d.join(name), err)
	}
	defer h.Release()
	return d.child(ctx, name, h.File().Attr(), out), 0
}

func (d *dir) Mkdir(ctx context.Context, name string, mode uint32,
	out *fuse.EntryOut) (_ *fusefs.Inode, errno syscall.Errno) {
	defer d.changing(name, arrival.Directory)(&errno)
	path := d.join(name)
	if err := d.s.cache.Mkdir(ctx, path, ownMode(mode, d.s.dirMode())); err != nil {
		return nil, d.s.errnoFor("mkdir", path, err)
	}
	a, err := d.s.cache.Stat(ctx, path)
	if err != nil {
		return nil, d.s.errnoFor("mkdir", path, err)
	}
	return d.child(ctx, name, a, out), 0
}

func (d *dir) Unlink(ctx context.Context, name string) (errno syscall.Errno) {
	defer d.changing(name, arrival.Absent)(&errno)
	err := d.s.cache.Remove(ctx, d.join(name), d.shown(name))
	if f := d.file(name); f != nil && err == nil {
		f.named(nil, "")
	}
	return d.s.errnoFor("unlink", d.join(name), err)
}

func (d *dir) Rmdir(ctx context.Context, name string) (errno syscall.Errno) {
	defer d.changing(name, arrival.Absent)(&errno)
	return d.s.errnoFor("rmdir", d.join(name), d.s.cache.Rmdir(ctx, d.join(name)))
}

// renameNoReplace is a flag of renameat2(2): fail where the new name is taken.
// Source: linux/fs.h.
const renameNoReplace = 1

func (d *dir) Rename(ctx context.Context, name string, newParent fusefs.InodeEmbedder,
	newName string, flags uint32) (errno syscall.Errno) {
	to, ok := newParent.(*dir)
	if !ok || flags&^renameNoReplace != 0 {
		return syscall.EINVAL
	}
	defer d.moving(name, to, newName)(&errno)
	from, dest := d.join(name), to.join(newName)
	var v cache.ShownVersion
	var err error
	if flags&renameNoReplace != 0 {
		v, err = d.s.cache.RenameNew(ctx, from, dest)
	} else {
		v, err = d.s.cache.Rename(ctx, from, dest, to.shown(newName))
	}
	if f := d.file(name); f != nil && err == nil {
		if over := to.file(newName); over != nil {
			over.named(to, newName)
		}
		f.named(to, newName)
		f.show(v) // by its new name
	}
	return d.s.errnoFor("rename", from, err)
}

// Symlink and Link: a link is no object, and one that the other party made would
// lead out of the mount.
func (d *dir) Symlink(context.Context, string,
	string, *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	return nil, syscall.EPERM
}

func (d *dir) Link(context.Context, fusefs.InodeEmbedder, string,
	*fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	return nil, syscall.EPERM
}
