package fs

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/s3share/s3share/cache"
	"github.com/s3share/s3share/fs/arrival"
)

// announcement is a change that the helper is to announce, and answers its requests with what is
// there already. No answer makes a request to S3, or changes anything.
type announcement struct {
	dir    *dir
	change arrival.Changed
	op     arrival.Op // may differ from the change's
	attr   cache.Attr // of what is there now; zero for what was removed

	// The helper makes one request at a time, each answered by another goroutine.

	begun    atomic.Bool         // the call's CREATE, MKNOD, MKDIR or SETATTR has arrived
	askedDir atomic.Pointer[dir] // the directory of the last GETATTR
	standIn  atomic.Bool         // the lookup is to be answered with standInNode
	// the last GETATTR was answered with permissions that only the helper has
	altered atomic.Bool
}

// maxTries is how often the helper tries a call: the kernel may first have to drop what it has
// cached. maxDenied is how often it tries again after EACCES: the permission bits that a program
// gets at the same moment may replace those that the helper got.
const maxTries, maxDenied = 3, 50

// tryOne has the helper make the call of one change.
func (a *announcer) tryOne(h *arrival.Helper, w *watch, c arrival.Changed, attr cache.Attr) error {
	d := w.d
	an := &announcement{dir: d, change: c, op: c.Op, attr: attr}
	attr.Dir = attr.Dir || c.Op == arrival.Rmdir
	an.attr = attr
	inUse := func() bool { f := d.file(c.Name); return f != nil && f.inUse() }
	known := d.GetChild(c.Name) != nil
	switch {
	case c.Op == arrival.Rmdir:
		// Otherwise the kernel would remove its inode, which may be a process's working directory.
		_ = d.NotifyEntry(c.Name)
	case c.Op == arrival.Create && inUse():
		an.op = arrival.Change
	case c.Op == arrival.Create && d.s.modeOf(attr)&0o111 != 0:
		an.op = arrival.Mknod // a file that is open for writing cannot be executed
	case c.Op == arrival.Change && d.s.modeOf(attr)&0o111 != 0:
		an.op = arrival.Touch
	case c.Op == arrival.Mkdir && known:
		an.op = arrival.Touch // it may be a process's working directory
	}
	if (an.op == arrival.Create || an.op == arrival.Mknod) && known {
		_ = d.NotifyEntry(c.Name)
	}
	denied := 0
	for try := 1; ; try++ {
		errno, err := a.do(h, an)
		if err != nil {
			a.endHelper()
			return err
		}
		if errno == 0 || !d.names.Current(c) {
			return nil
		}
		if errno == syscall.EACCES && denied < maxDenied {
			denied++
			try--
			time.Sleep(time.Duration(denied) * 10 * time.Microsecond)
			continue
		}
		if try == maxTries {
			return fmt.Errorf("the helper cannot announce it: %w", errno)
		}
		switch {
		case errno == syscall.EEXIST && an.op == arrival.Mkdir:
			an.op = arrival.Touch
		case errno == syscall.EEXIST && inUse():
			an.op = arrival.Change
		case errno == syscall.ENOENT || errno == syscall.EEXIST:
			_ = d.NotifyEntry(c.Name)
		case an.op == arrival.Change:
			an.op = arrival.Touch
		}
	}
}

// countNew returns how many of the first changes are new files that the helper can create, and that
// the kernel does not know.
func (w *watch) countNew(changes []arrival.Changed, attrs map[string]cache.Attr) (n int) {
	for n < len(changes) {
		c := changes[n]
		if c.Op != arrival.Create || w.d.GetChild(c.Name) != nil ||
			w.d.s.modeOf(attrs[c.Name])&0o111 != 0 {
			break
		}
		n++
	}
	return n
}

// announceNew announces new files of one directory. The helper gets all names at once, and proceed
// follows it by the names in its requests. What fails is announced again by announceOne.
func (a *announcer) announceNew(h *arrival.Helper, w *watch, changes []arrival.Changed,
	attrs map[string]cache.Attr) {
	all := make(map[string]*announcement, len(changes))
	names := make([]string, 0, len(changes))
	current := changes[:0:0]
	for _, c := range changes {
		if w.d.names.Current(c) {
			current, names = append(current, c), append(names, c.Name)
			all[c.Name] = &announcement{dir: w.d, change: c,
				op: arrival.Create, attr: attrs[c.Name]}
		}
	}
	if len(names) == 0 {
		return
	}
	a.batch.Store(&all)
	a.current.Store(all[names[0]])
	errnos, err := h.CreateAll(w.d.path(), names)
	a.batch.Store(nil)
	a.current.Store(nil)
	if err != nil {
		a.s.log.Debug("changes were not announced", "dir", w.d.path(), "err", err)
		a.failed.Add(int64(len(names)))
		a.endHelper()
		return
	}
	for i, c := range current {
		if errnos[i] == 0 {
			a.announced.Add(1)
		} else {
			a.announceOne(h, w, c, attrs[c.Name])
		}
	}
}

// proceed notes that the helper has come to this name of several.
func (a *announcer) proceed(name string) {
	if all := a.batch.Load(); all != nil {
		if an := (*all)[name]; an != nil {
			a.current.Store(an)
		}
	}
}

// do has the helper make the call of an announcement.
func (a *announcer) do(h *arrival.Helper, an *announcement) (syscall.Errno, error) {
	an.begun.Store(false)
	a.current.Store(an)
	defer a.current.Store(nil)
	return h.Do(arrival.Call{Op: an.op, Dir: an.dir.path(), Name: an.change.Name,
		Mode: an.dir.s.modeOf(an.attr), Size: an.attr.Size})
}

// isHelper reports whether a request is the helper's.
func (a *announcer) isHelper(pid uint32) bool {
	h := a.helper.Load()
	return h != nil && pid != 0 && h.PID() == pid
}

// asks returns the announcement that a request is part of; ok reports whether the request is the
// helper's. The announcement is nil if the helper has nothing to do at present.
func (a *announcer) asks(ctx context.Context) (an *announcement, ok bool) {
	if a == nil {
		return nil, false
	}
	caller, ok := fuse.FromContext(ctx)
	if !ok || !a.isHelper(caller.Pid) {
		return nil, false
	}
	return a.current.Load(), true
}

// lookup answers a lookup of the helper.
func (an *announcement) lookup(ctx context.Context, d *dir, name string,
	out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	if an == nil {
		return nil, syscall.EACCES
	}
	if on := an.onPath(d, name); on != nil {
		a, err := d.s.cache.DirAttr(on.path())
		if err != nil {
			return nil, syscall.ENOENT
		}
		on.fill(a, on.StableAttr().Ino, &out.Attr)
		return on.EmbeddedInode(), 0
	}
	if d != an.dir || name != an.change.Name {
		return nil, syscall.EACCES
	}
	f := d.file(name)
	switch an.op {
	case arrival.Create, arrival.Mknod, arrival.Mkdir:
		if !an.begun.Load() {
			return nil, syscall.ENOENT
		}
	case arrival.Remove:
		if f == nil {
			an.standIn.Store(true)
			return nil, syscall.ENOENT
		}
		an.fillFile(f, &out.Attr)
		return f.EmbeddedInode(), 0
	case arrival.Rmdir:
		an.standIn.Store(true)
		return nil, syscall.ENOENT
	}
	a := an.attr
	if f != nil {
		if cur := f.current(); cur != nil && cur.Attr().ETag == a.ETag {
			a = cur.Attr()
		}
	}
	return d.childFilled(ctx, name, a, out, (*file).fillUnseen), 0
}

// onPath returns the directory of this name in d if the announcement is in it or below it, else
// nil.
func (an *announcement) onPath(d *dir, name string) *dir {
	for on := an.dir; ; {
		as, parent := on.Parent()
		if parent == nil {
			return nil
		}
		above := parent.Operations().(*dir)
		if above == d && as == name {
			return on
		}
		on = above
	}
}

// fillFile writes the attributes of a file that the kernel knows: those of the version that is
// open, or else of the one that is announced.
func (an *announcement) fillFile(f *file, out *fuse.Attr) {
	a := an.attr
	if cur := f.current(); cur != nil {
		a = cur.Attr()
	}
	f.fillUnseen(a, f.StableAttr().Ino, out)
}

// dirAttr answers a GETATTR of the helper. Only the helper may write into the directory whatever
// the policy grants, since its calls change nothing.
func (an *announcement) dirAttr(d *dir, out *fuse.AttrOut) syscall.Errno {
	if an == nil {
		return syscall.EACCES
	}
	a, err := d.s.cache.DirAttr(d.path())
	if err != nil {
		return syscall.ENOENT
	}
	d.fill(a, d.StableAttr().Ino, &out.Attr)
	an.askedDir.Store(d)
	if d == an.dir && !d.s.helperMayWrite(out.Mode) {
		an.altered.Store(true)
		out.Mode |= 0o777
	}
	return 0
}

// helperMayWrite reports whether the helper may create names in a directory of this mode: as its
// owner, who is the user of this process.
func (s *Server) helperMayWrite(mode uint32) bool {
	return mode&0o300 == 0o300 && s.cfg.UID == uint32(os.Getuid())
}

// fileAttr is dirAttr for a file.
func (an *announcement) fileAttr(f *file, out *fuse.AttrOut) syscall.Errno {
	if an == nil {
		return syscall.EACCES
	}
	if name, parent := f.Parent(); parent == nil ||
		parent.Operations() != fusefs.InodeEmbedder(an.dir) || name != an.change.Name {
		return syscall.EACCES
	}
	an.fillFile(f, &out.Attr)
	if an.op == arrival.Change && !an.begun.Load() {
		an.altered.Store(true)
		out.Mode |= 0o222
	}
	return 0
}

// modeOf returns the permission bits that are shown of a.
func (s *Server) modeOf(a cache.Attr) uint32 {
	var out fuse.Attr
	(&node{s: s}).fill(a, 0, &out)
	return out.Mode & 0o777
}
