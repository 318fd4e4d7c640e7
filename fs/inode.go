package fs

import (
	"context"
	"path"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/s3share/s3share/cache"
)

// node is what files and folders have in common.
type node struct {
	fusefs.Inode
	s *Server
}

var (
	_ = (fusefs.NodeStatfser)((*node)(nil))
	_ = (fusefs.NodeOnForgetter)((*node)(nil))
	_ = (fusefs.NodeListxattrer)((*node)(nil))
	_ = (fusefs.NodeSetxattrer)((*node)(nil))
	_ = (fusefs.NodeRemovexattrer)((*node)(nil))
)

// path is where the node is below the mountpoint now.
func (n *node) path() string { return n.Path(nil) }

func (n *node) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	st, err := n.s.cache.Statfs()
	if err != nil {
		return n.s.errnoFor("statfs", n.path(), err)
	}
	out.Bsize, out.Frsize, out.NameLen = 4096, 4096, 255
	out.Blocks = uint64(st.Total) / 4096
	out.Bfree = uint64(st.Free) / 4096
	out.Bavail = out.Bfree
	out.Files, out.Ffree = 1<<32, 1<<32
	return 0
}

// OnForget gives the inode number back.
func (n *node) OnForget() { n.s.inodes.free(n.StableAttr().Ino) }

// fill writes an attribute in the kernel's form.
func (n *node) fill(a cache.Attr, ino uint64, out *fuse.Attr) {
	s := n.s
	out.Ino, out.Nlink = ino, 1
	out.Uid, out.Gid = s.cfg.UID, s.cfg.GID
	if a.Dir {
		mode := s.dirMode()
		if a.HasMode {
			mode = a.Mode & 0o777
		}
		out.Mode = syscall.S_IFDIR | mode&^s.cfg.Umask&^a.Deny
	} else {
		mode := s.fileMode()
		if a.HasMode {
			mode = a.Mode & 0o777
		}
		// The mode may be the other party's wish.
		out.Mode = syscall.S_IFREG | mode&^s.cfg.Umask&^a.Deny
		out.Size = uint64(a.Size)
		out.Blocks = (out.Size + 511) / 512
	}
	if a.Unnamed {
		out.Nlink = 0
	}
	out.SetTimes(&a.Mtime, &a.Mtime, &a.Mtime)
}

// fileMode is the mode of a file that has none of its own.
func (s *Server) fileMode() uint32 { return 0o666 &^ s.cfg.Umask }

// dirMode is the mode of a directory that has none of its own.
func (s *Server) dirMode() uint32 { return 0o777 &^ s.cfg.Umask }

// child returns the inode for what is at name in the directory: the one that the
// kernel has, unless that is of another file by now.
func (d *dir) child(ctx context.Context, name string, a cache.Attr,
	out *fuse.EntryOut) *fusefs.Inode {
	return d.childFilled(ctx, name, a, out, (*file).fill)
}

// childFilled is child, with fill in place of file.fill.
func (d *dir) childFilled(ctx context.Context, name string, a cache.Attr, out *fuse.EntryOut,
	fill func(*file, cache.Attr, uint64, *fuse.Attr)) *fusefs.Inode {
	if ch := d.GetChild(name); ch != nil {
		switch n := ch.Operations().(type) {
		case *dir:
			if a.Dir {
				n.fill(a, ch.StableAttr().Ino, &out.Attr)
				return ch
			}
		case *file:
			if !a.Dir && n.isOf(a) {
				fill(n, a, ch.StableAttr().Ino, &out.Attr)
				return ch
			}
		}
	}
	ino := d.s.inodes.take(a.Key)
	if a.Dir {
		d.fill(a, ino, &out.Attr)
		sub := &dir{node: node{s: d.s}}
		d.s.inodes.keepDir(ino, sub)
		return d.NewInode(ctx, sub, fusefs.StableAttr{Mode: syscall.S_IFDIR, Ino: ino})
	}
	f := &file{node: node{s: d.s}}
	fill(f, a, ino, &out.Attr)
	inode := d.NewInode(ctx, f, fusefs.StableAttr{Mode: syscall.S_IFREG, Ino: ino})
	d.s.inodes.keep(f)
	return inode
}

// join is the path of a name in the node's directory.
func (n *node) join(name string) string { return path.Join(n.path(), name) }
