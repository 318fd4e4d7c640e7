package fs

import (
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/s3share/s3share/fs/arrival"
)

// arrivals answers the requests of the helper that announces arrivals, and passes those of programs
// on to the nodes. The helper has access to nothing but the names in its last message: all else is
// EACCES. The kernel does not cache what the helper alone gets, and asks again for every program.
type arrivals struct {
	fuse.RawFileSystem
	a *announcer
}

const (
	// helperHandle is set in the handles of the helper, and standInNode in the inode that stands
	// for a name that was removed. go-fuse counts its own from 1.
	helperHandle = 1 << 63
	standInNode  = 1 << 62
	// shortly is a time in nanoseconds that the kernel rounds up to one or two ticks of its timer,
	// 8 ms at most.
	// Source: linux/fs/fuse/dir.c, time_to_jiffies.
	shortly = 1
)

func (r *arrivals) helper(h *fuse.InHeader) bool { return r.a.isHelper(h.Pid) }

// matching returns the announcement in progress if it is of this name, is one of these calls, and
// no program has changed the name since; otherwise nil.
func (r *arrivals) matching(name string, ops ...arrival.Op) *announcement {
	an := r.a.current.Load()
	if an == nil || an.change.Name != name || !an.dir.names.Current(an.change) {
		return nil
	}
	for _, op := range ops {
		if an.op == op {
			return an
		}
	}
	return nil
}

func expire(out *fuse.EntryOut) {
	out.EntryValid, out.EntryValidNsec, out.AttrValid, out.AttrValidNsec = 0, 0, 0, 0
}

func expireAttr(out *fuse.AttrOut) { out.AttrValid, out.AttrValidNsec = 0, 0 }

func (r *arrivals) Lookup(cancel <-chan struct{}, header *fuse.InHeader, name string,
	out *fuse.EntryOut) fuse.Status {
	if !r.helper(header) {
		r.a.asked()
		st := r.RawFileSystem.Lookup(cancel, header, name, out)
		if r.a.isUncached(out.Ino) && st.Ok() {
			out.AttrValid, out.AttrValidNsec = 0, 0
		}
		return st
	}
	return r.lookup(cancel, header, name, out)
}

// lookup is Lookup for the helper.
func (r *arrivals) lookup(cancel <-chan struct{}, header *fuse.InHeader, name string,
	out *fuse.EntryOut) fuse.Status {
	r.a.proceed(name)
	st := r.RawFileSystem.Lookup(cancel, header, name, out)
	if an := r.a.current.Load(); an != nil && an.standIn.Swap(false) {
		*out = fuse.EntryOut{NodeId: standInNode}
		r.standIn(an.op == arrival.Rmdir, &out.Attr)
		st = fuse.OK
	}
	expire(out)
	return st
}

// standIn writes the attributes of the inode that stands for a removed name.
func (r *arrivals) standIn(dir bool, out *fuse.Attr) {
	out.Ino, out.Nlink = standInNode, 1
	out.Uid, out.Gid = r.a.s.cfg.UID, r.a.s.cfg.GID
	out.Mode = syscall.S_IFREG | 0o600
	if dir {
		out.Mode = syscall.S_IFDIR | 0o700
	}
}

func (r *arrivals) Forget(nodeid, nlookup uint64) {
	if nodeid != standInNode {
		r.RawFileSystem.Forget(nodeid, nlookup)
	}
}

func (r *arrivals) GetAttr(cancel <-chan struct{}, in *fuse.GetAttrIn,
	out *fuse.AttrOut) fuse.Status {
	if in.NodeId == standInNode {
		return fuse.Status(syscall.ESTALE)
	}
	if r.helper(&in.InHeader) {
		return r.getAttr(cancel, in, out)
	}
	st := r.RawFileSystem.GetAttr(cancel, in, out)
	r.a.asked()
	if r.a.isUncached(out.Ino) {
		expireAttr(out)
	}
	return st
}

// getAttr is GetAttr for the helper. The kernel checks the permissions of a directory several times
// for one call. It asks once if it may cache the attributes meanwhile, which it may only if
// programs get the same.
func (r *arrivals) getAttr(cancel <-chan struct{}, in *fuse.GetAttrIn,
	out *fuse.AttrOut) fuse.Status {
	an := r.a.current.Load()
	if an != nil {
		an.altered.Store(false)
	}
	st := r.RawFileSystem.GetAttr(cancel, in, out)
	expireAttr(out)
	if an != nil && !an.altered.Load() && !r.a.isUncached(out.Ino) {
		out.AttrValidNsec = shortly
	}
	return st
}

// make answers a call that creates a name, with the inode that has the name already.
func (r *arrivals) make(cancel <-chan struct{}, header *fuse.InHeader, name string,
	out *fuse.EntryOut, op arrival.Op) fuse.Status {
	r.a.proceed(name)
	an := r.matching(name, op)
	if an == nil {
		return fuse.EACCES
	}
	an.begun.Store(true)
	st := r.lookup(cancel, header, name, out)
	if st.Ok() && out.NodeId == 0 {
		return fuse.EACCES
	}
	if op == arrival.Create {
		out.AttrValidNsec = shortly // the kernel checks the permissions of what it has opened
	}
	return st
}

// open fills in the handle of a file that the helper opens. Writing to it would be refused.
func open(out *fuse.OpenOut) {
	out.Fh, out.OpenFlags = helperHandle,
		fuse.FOPEN_DIRECT_IO|fuse.FOPEN_KEEP_CACHE|fuse.FOPEN_NOFLUSH
}

func (r *arrivals) Create(cancel <-chan struct{}, in *fuse.CreateIn, name string,
	out *fuse.CreateOut) fuse.Status {
	if !r.helper(&in.InHeader) {
		return r.RawFileSystem.Create(cancel, in, name, out)
	}
	open(&out.OpenOut)
	return r.make(cancel, &in.InHeader, name, &out.EntryOut, arrival.Create)
}

func (r *arrivals) Mknod(cancel <-chan struct{}, in *fuse.MknodIn,
	name string, out *fuse.EntryOut) fuse.Status {
	if !r.helper(&in.InHeader) {
		return r.RawFileSystem.Mknod(cancel, in, name, out)
	}
	return r.make(cancel, &in.InHeader, name, out, arrival.Mknod)
}

func (r *arrivals) Mkdir(cancel <-chan struct{}, in *fuse.MkdirIn,
	name string, out *fuse.EntryOut) fuse.Status {
	if !r.helper(&in.InHeader) {
		return r.RawFileSystem.Mkdir(cancel, in, name, out)
	}
	return r.make(cancel, &in.InHeader, name, out, arrival.Mkdir)
}

// remove answers a call that removes a name: the kernel forgets the name, and nothing else happens.
func (r *arrivals) remove(cancel <-chan struct{}, header *fuse.InHeader, name string,
	op arrival.Op) fuse.Status {
	an := r.matching(name, op)
	if an == nil {
		return fuse.EACCES
	}
	an.askedDir.Store(nil)
	var attr fuse.AttrOut
	st := r.RawFileSystem.GetAttr(cancel, &fuse.GetAttrIn{InHeader: *header}, &attr)
	if !st.Ok() || an.askedDir.Load() != an.dir {
		return fuse.EACCES
	}
	return fuse.OK
}

func (r *arrivals) Unlink(cancel <-chan struct{}, header *fuse.InHeader, name string) fuse.Status {
	if !r.helper(header) {
		return r.RawFileSystem.Unlink(cancel, header, name)
	}
	return r.remove(cancel, header, name, arrival.Remove)
}

func (r *arrivals) Rmdir(cancel <-chan struct{}, header *fuse.InHeader, name string) fuse.Status {
	if !r.helper(header) {
		return r.RawFileSystem.Rmdir(cancel, header, name)
	}
	return r.remove(cancel, header, name, arrival.Rmdir)
}

// attr answers with the attributes of a file, if it is the one that is announced.
func (r *arrivals) attr(cancel <-chan struct{}, header *fuse.InHeader, out *fuse.AttrOut,
	ops ...arrival.Op) fuse.Status {
	an := r.a.current.Load()
	if an == nil || r.matching(an.change.Name, ops...) == nil {
		return fuse.EACCES
	}
	st := r.RawFileSystem.GetAttr(cancel, &fuse.GetAttrIn{InHeader: *header}, out)
	expireAttr(out)
	return st
}

func (r *arrivals) Open(cancel <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	if !r.helper(&in.InHeader) {
		return r.RawFileSystem.Open(cancel, in, out)
	}
	var attr fuse.AttrOut
	open(out)
	return r.attr(cancel, &in.InHeader, &attr, arrival.Change)
}

func (r *arrivals) SetAttr(cancel <-chan struct{}, in *fuse.SetAttrIn,
	out *fuse.AttrOut) fuse.Status {
	if !r.helper(&in.InHeader) {
		return r.RawFileSystem.SetAttr(cancel, in, out)
	}
	if an := r.a.current.Load(); an != nil {
		an.begun.Store(true)
	}
	return r.attr(cancel, &in.InHeader, out, arrival.Change, arrival.Touch)
}

func (r *arrivals) Flush(cancel <-chan struct{}, in *fuse.FlushIn) fuse.Status {
	if in.Fh&helperHandle != 0 {
		return fuse.OK
	}
	return r.RawFileSystem.Flush(cancel, in)
}

func (r *arrivals) Release(cancel <-chan struct{}, in *fuse.ReleaseIn) {
	if in.Fh&helperHandle == 0 {
		r.RawFileSystem.Release(cancel, in)
	}
}

func (r *arrivals) OpenDir(cancel <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	if r.helper(&in.InHeader) {
		return fuse.EACCES
	}
	r.a.asked()
	return r.RawFileSystem.OpenDir(cancel, in, out)
}

// The helper makes none of these.

func (r *arrivals) Rename(cancel <-chan struct{}, in *fuse.RenameIn,
	name, newName string) fuse.Status {
	if r.helper(&in.InHeader) {
		return fuse.EACCES
	}
	return r.RawFileSystem.Rename(cancel, in, name, newName)
}

func (r *arrivals) Read(cancel <-chan struct{}, in *fuse.ReadIn,
	buf []byte) (fuse.ReadResult, fuse.Status) {
	if in.Fh&helperHandle != 0 || r.helper(&in.InHeader) {
		return nil, fuse.EACCES
	}
	return r.RawFileSystem.Read(cancel, in, buf)
}

func (r *arrivals) Write(cancel <-chan struct{}, in *fuse.WriteIn,
	data []byte) (uint32, fuse.Status) {
	if in.Fh&helperHandle != 0 || r.helper(&in.InHeader) {
		return 0, fuse.EACCES
	}
	return r.RawFileSystem.Write(cancel, in, data)
}

func (r *arrivals) Writev(cancel <-chan struct{}, in *fuse.WriteIn,
	data [][]byte) (uint32, fuse.Status) {
	if in.Fh&helperHandle != 0 || r.helper(&in.InHeader) {
		return 0, fuse.EACCES
	}
	return r.RawFileSystem.Writev(cancel, in, data)
}

func (r *arrivals) GetXAttr(cancel <-chan struct{}, header *fuse.InHeader, attr string,
	dest []byte) (uint32, fuse.Status) {
	if r.helper(header) {
		return 0, fuse.Status(syscall.EOPNOTSUPP)
	}
	return r.RawFileSystem.GetXAttr(cancel, header, attr, dest)
}

func (r *arrivals) SetXAttr(cancel <-chan struct{}, in *fuse.SetXAttrIn, attr string,
	data []byte) fuse.Status {
	if r.helper(&in.InHeader) {
		return fuse.EACCES
	}
	return r.RawFileSystem.SetXAttr(cancel, in, attr, data)
}

func (r *arrivals) Fallocate(cancel <-chan struct{}, in *fuse.FallocateIn) fuse.Status {
	if r.helper(&in.InHeader) {
		return fuse.EACCES
	}
	return r.RawFileSystem.Fallocate(cancel, in)
}
