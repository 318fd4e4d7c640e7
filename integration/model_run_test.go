package integration

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// modelRun is one sequence on its way through a mount and a plain directory. Each
// system call is made on the mount, then on the plain directory, and both have to
// return the same.
type modelRun struct {
	*tracer
	l     *lane
	dir   string // the sequence's directory, as a key without the last slash
	real  *world
	plain *world

	files      map[uint64]*modelFile // by inode number of the plain file
	slots      [modelSlots + 1]openFile
	aside      map[string]asideFile   // by the names that the files had before
	removed    map[string]removedFile // by key; see awaitRefusals
	refusals   int                    // that the log has named so far; see refusesDeletes
	slow       time.Duration          // of the slowest call on the mount
	refused    *faultRule             // by which S3 refuses requests
	refusedBy  string                 // the fault of refused
	wasExcused bool                   // the last call was refused by the mount alone
	// replaced: the call is on an open file whose name another file has taken.
	replaced   bool
	diskErrno  unix.Errno // that the disk returns
	diskFailed int        // how many operations had failed there when it was told to

	// mu guards the fields below: the gateway looks at them, too.
	mu     sync.Mutex
	whole  map[[sha256.Size]byte]bool // contents that a last close has made whole
	halves []string                   // what S3 got that no close had made whole
}

// modelFile is what is known of a file, whatever its name is.
type modelFile struct {
	writers int  // open files that may write
	dirty   bool // it was made or written since its last close
	cut     bool // its daemon was killed before its last close
	refused bool // a write to it was: only writing it anew mends that
	unsure  bool // a write to it was before any other: it may be as if nothing had been
	sealed  bool // since it was written last, a close may have counted as the last one
	mapped  bool // it was written through a memory map, of which a close may tell an error
}

// openFile is what a slot holds.
type openFile struct {
	file  *modelFile
	write bool
	path  string // as it was opened
}

// newModelRun makes a run in the directory of that name.
func (l *lane) newModelRun(name string) *modelRun {
	return &modelRun{
		tracer: newTracer(), l: l, dir: delivery + name, files: map[uint64]*modelFile{},
		aside: map[string]asideFile{}, removed: map[string]removedFile{},
		real: newWorld("mount", l.m.path(delivery+name)), plain: newWorld("plain",
			filepath.Join(l.plain, name)),
		whole: map[[sha256.Size]byte]bool{},
	}
}

func (r *modelRun) begin() {
	r.refusesDeletes() // what earlier sequences were refused
	watch := r.stored
	r.l.watch.Store(&watch)
	for _, w := range []*world{r.real, r.plain} {
		if err := uninterruptedly(func() error { return unix.Mkdir(w.root, 0o755) }); err != nil {
			r.fail("mkdir", "%s: make the directory of the sequence: %v", w.name, err)
		}
	}
}

func (r *modelRun) do(s step) {
	r.awaitRefusals()
	r.lookAgain()
	operations[s.op].do(r, s)
}

func (r *modelRun) end() {
	r.l.watch.Store(nil)
	r.real.drop()
	r.plain.drop()
	_ = os.RemoveAll(r.plain.root)
}

// both makes a call in both worlds. ok is false if it failed, or was refused by
// the mount for a documented reason; then the plain world has not seen it.
func (r *modelRun) both(call string, may []excuse,
	do func(w *world) result) (want result, ok bool) {
	r.awaitRefusals()
	begin := time.Now()
	r.wasExcused = false
	got := do(r.real)
	took := time.Since(begin)
	r.slow = max(r.slow, took)
	if why, ok := r.excused(got.errno, may); ok {
		r.note("%s = %v (%s)%s", call, got.errno, why, tookText(took))
		r.wasExcused = true
		return got, false
	}
	want = do(r.plain)
	if want.errno == 0 {
		r.does[r.at] = true
	}
	r.note("%s = %s%s", call, got.brief(), tookText(took))
	r.same(call, got, want)
	for _, e := range may {
		if e.must && got.errno == 0 {
			r.fail("not refused", "%s = 0, want an error: %s", call, e.why)
		}
	}
	return want, want.errno == 0
}

func (r result) brief() string {
	switch {
	case r.errno != 0:
		return fmt.Sprintf("%v (%s)", r.errno, unix.ErrnoName(r.errno))
	case r.attr != nil:
		return r.attr.String()
	case r.names != nil:
		return fmt.Sprintf("%q", r.names)
	}
	return fmt.Sprint(r.n)
}

// same fails the run unless the mount returned what the plain file system did.
func (r *modelRun) same(call string, got, want result) {
	op, _, _ := strings.Cut(call, "(")
	switch {
	case got.errno != want.errno:
		r.fail("errno "+op+" "+unix.ErrnoName(got.errno)+" "+unix.ErrnoName(want.errno),
			"%s = %s, want %s", call, got.brief(), want.brief())
	case got.errno != 0:
	case got.n != want.n:
		r.fail("count "+op, "%s = %d, want %d", call, got.n, want.n)
	case !bytes.Equal(got.data, want.data):
		r.fail("bytes "+op, "%s read %s", call, difference(got.data, want.data))
	case !slices.Equal(got.names, want.names):
		r.fail("names "+op, "%s = %q, want %q", call, got.names, want.names)
	case want.attr != nil:
		if what := r.attrDiffers(got.attr, want.attr); what != "" {
			r.fail(what+" "+op, "%s = %v, want %v", call, got.attr, want.attr)
		}
	}
}

// difference says where two contents differ.
func difference(got, want []byte) string {
	n := min(len(got), len(want))
	for i := range n {
		if got[i] != want[i] {
			end := i
			for end < n && got[end] != want[end] {
				end++
			}
			return fmt.Sprintf("%d bytes that differ from %d to %d: %s, want %s",
				len(got), i, end, brief(got[i:end]), brief(want[i:end]))
		}
	}
	return fmt.Sprintf("%d bytes, want %d", len(got), len(want))
}

// attrDiffers names the attribute that is not as it has to be, "" for none.
func (r *modelRun) attrDiffers(got, want *attr) string {
	switch {
	case got.kind != want.kind:
		return "kind"
	case want.kind == unix.S_IFDIR:
		return "" // docs/semantics.md: the mode of a directory is what the policy grants
	case got.size != want.size:
		return "size"
	case got.perm != want.perm&^modelUmask:
		return "mode"
	case got.nlink != want.nlink:
		return "link count"
	case !r.sameTime(got.mtime, want.mtime):
		return "mtime"
	}
	return ""
}

// sameTime compares file times. One that a program has set has to be kept to the
// nanosecond. All others are of now, and no two calls are made at one time.
func (r *modelRun) sameTime(got, want time.Time) bool {
	if since := time.Since(want); since > time.Hour || since < -time.Hour {
		return got.Equal(want)
	}
	d := got.Sub(want)
	return -time.Second-r.slow < d && d < time.Second+r.slow
}

// fileOf is the file that a plain descriptor is of.
func (r *modelRun) fileOf(a *attr) *modelFile {
	f := r.files[a.ino]
	if f == nil {
		f = &modelFile{}
		r.files[a.ino] = f
	}
	return f
}

// open opens a file in both worlds.
func (r *modelRun) open(slot int, p string, flags int, mode uint32) bool {
	_, existed := r.plainAttr(p)
	if !existed && flags&unix.O_CREAT != 0 && r.isBlocked(p, false) {
		return false
	}
	call := fmt.Sprintf("open(%q, %s, %#o)", p, flagsText(flags), mode)
	may := r.mayRefuseOpen(p, flags)
	if flags&unix.O_CREAT != 0 {
		may = append(may, mustRefuseName(p)...)
	}
	if _, ok := r.both(call,
		may, func(w *world) result { return w.open(slot, p, flags, mode) }); !ok {
		r.slots[slot] = openFile{}
		if existed && flags&unix.O_TRUNC != 0 {
			r.refusedTruncate(p)
		}
		return false
	}
	a := r.plain.fstat(slot).attr
	if !existed {
		delete(r.files, a.ino) // the number of a file that is gone
	}
	f := r.fileOf(a)
	r.slots[slot] = openFile{file: f, write: flags&unix.O_ACCMODE != unix.O_RDONLY, path: p}
	if r.slots[slot].write {
		f.writers++
	}
	if flags&unix.O_TRUNC != 0 {
		*f = modelFile{writers: f.writers}
	}
	if !existed || flags&unix.O_TRUNC != 0 {
		f.dirty = true
	}
	return true
}

func flagsText(flags int) string {
	text := []string{"O_RDONLY", "O_WRONLY", "O_RDWR"}[flags&unix.O_ACCMODE]
	for _, f := range []struct {
		bit  int
		name string
	}{{unix.O_CREAT, "O_CREAT"}, {unix.O_EXCL, "O_EXCL"}, {unix.O_TRUNC, "O_TRUNC"},
		{unix.O_APPEND, "O_APPEND"}} {
		if flags&f.bit != 0 {
			text += "|" + f.name
		}
	}
	return text
}

// plainAttr is what the plain world has at a name.
func (r *modelRun) plainAttr(p string) (*attr, bool) {
	a := r.plain.lstat(p)
	return a.attr, a.errno == 0
}

// close closes a file in both worlds. What the last close of a writer leaves is
// whole, and may be delivered from then on.
func (r *modelRun) close(slot int) {
	of := r.slots[slot]
	if of.write && (of.file.writers == 1 || manyDescriptors()) {
		r.complete(r.plainContent(slot))
		of.file.sealed = true
	}
	_, ok := r.both(fmt.Sprintf("close(%d)", slot),
		nil, func(w *world) result { return w.closeSlot(slot) })
	if !ok && r.plain.files[slot] >= 0 { // the mount has closed it all the same
		if of.write && r.wasExcused && r.diskErrno != 0 {
			r.refusedClose(slot)
		}
		r.plain.closeSlot(slot)
	}
	if of.write {
		if of.file.writers--; of.file.writers == 0 {
			of.file.dirty = false
		}
	}
	r.slots[slot] = openFile{}
}

// manyDescriptors reports whether each close of this program may count as the last of its
// file: docs/semantics.md, Creating, writing. Other tests open and close files meanwhile.
func manyDescriptors() bool {
	const looked, others = 64, 32
	all, err := os.ReadDir("/proc/self/fd")
	return err != nil || len(all) > looked-others
}

// plainContent is what an open file holds, also one that may not be read by its
// descriptor or has no name any more.
func (r *modelRun) plainContent(slot int) []byte {
	b, err := os.ReadFile(fmt.Sprintf("/proc/self/fd/%d", r.plain.files[slot]))
	if err != nil {
		panic(err)
	}
	return b
}

// complete notes a content that may be delivered.
func (r *modelRun) complete(b []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.whole[sha256.Sum256(b)] = true
}

// isWhole reports whether some last close has left this content.
func (r *modelRun) isWhole(b []byte) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.whole[sha256.Sum256(b)]
}

// write writes to an open file in both worlds.
func (r *modelRun) write(slot int, b []byte) bool {
	_, ok := r.both(fmt.Sprintf("write(%d, %d bytes)", slot, len(b)),
		nil, func(w *world) result { return w.write(slot, b) })
	r.wrote(slot, ok && len(b) > 0)
	return ok
}

func (r *modelRun) pwrite(slot int, b []byte, off int64) bool {
	_, ok := r.both(fmt.Sprintf("pwrite(%d, %d bytes, %d)", slot, len(b), off), nil,
		func(w *world) result { return w.pwrite(slot, b, off) })
	r.wrote(slot, ok && len(b) > 0)
	return ok
}

// wrote notes that an open file was changed.
func (r *modelRun) wrote(slot int, ok bool) {
	if r.wasExcused && !r.replaced {
		r.refusedWrite(slot)
	}
	if of := r.slots[slot]; ok && of.file != nil {
		of.file.dirty, of.file.sealed = true, false
		of.file.cut = of.file.refused
	}
}

func (r *modelRun) rename(from, to string, flags uint) bool {
	if a, ok := r.plainAttr(from); ok && r.isBlocked(to, a.kind == unix.S_IFDIR) {
		return false
	}
	setAside := privateFile(to) && !r.private(from)
	removed := r.keepRemoved(from)
	may := slices.Concat(r.mayRefuseRename(from, to), mustRefuseName(to))
	_, ok := r.both(fmt.Sprintf("rename(%q, %q, %d)", from, to, flags), may, func(w *world) result {
		return failed(uninterruptedly(func() error {
			return unix.Renameat2(unix.AT_FDCWD, w.path(from), unix.AT_FDCWD, w.path(to), flags)
		}))
	})
	if ok {
		removed()
	}
	if ok && setAside {
		r.aside[from] = asideFile{time.Now(), r.plain.readAll(to).data}
	}
	return ok
}

func (r *modelRun) unlink(p string) bool {
	removed := r.keepRemoved(p)
	_, ok := r.both(fmt.Sprintf("unlink(%q)", p), r.mayRefuseRemoval(p), func(w *world) result {
		return failed(uninterruptedly(func() error { return unix.Unlink(w.path(p)) }))
	})
	if ok {
		removed()
	}
	return ok
}

func (r *modelRun) mkdir(p string) bool {
	if r.isBlocked(p, true) {
		return false
	}
	_, ok := r.both(fmt.Sprintf("mkdir(%q)", p), mustRefuseName(p), func(w *world) result {
		return failed(uninterruptedly(func() error { return unix.Mkdir(w.path(p), 0o755) }))
	})
	return ok
}

func (r *modelRun) rmdir(p string) bool {
	removed := r.keepRemoved(p)
	_, ok := r.both(fmt.Sprintf("rmdir(%q)", p), r.mayRefuseRemoval(p), func(w *world) result {
		return failed(uninterruptedly(func() error { return unix.Rmdir(w.path(p)) }))
	})
	if ok {
		removed()
	}
	return ok
}

func (r *modelRun) chmod(p string, mode uint32) {
	r.both(fmt.Sprintf("chmod(%q, %#o)", p, mode), r.mayRefuseAttr(p), func(w *world) result {
		return failed(uninterruptedly(func() error { return unix.Chmod(w.path(p), mode) }))
	})
}

func (r *modelRun) utimes(p string, t time.Time) {
	ts := unix.NsecToTimespec(0)
	ts.Sec, ts.Nsec = t.Unix(), int64(t.Nanosecond())
	r.both(fmt.Sprintf("utimensat(%q, %s)", p, t.UTC().Format(time.RFC3339Nano)),
		r.mayRefuseAttr(p), func(w *world) result {
			return failed(uninterruptedly(func() error {
				return unix.UtimesNanoAt(unix.AT_FDCWD, w.path(p), []unix.Timespec{ts, ts}, 0)
			}))
		})
}

func (r *modelRun) stat(p string) {
	r.both(fmt.Sprintf("stat(%q)", p), nil, func(w *world) result { return w.lstat(p) })
}

func (r *modelRun) read(p string) {
	r.both(fmt.Sprintf("read(%q)", p), r.mayRefuseRead(p),
		func(w *world) result { return w.readAll(p) })
}

func (r *modelRun) list(p string) {
	r.both(fmt.Sprintf("list(%q)", p), nil, func(w *world) result { return w.list(p) })
}

// removeAll removes a directory with all that is in it, as rm -r does.
func (r *modelRun) removeAll(p string) bool {
	a, ok := r.plainAttr(p)
	if !ok {
		return r.unlink(p)
	}
	if a.kind != unix.S_IFDIR {
		return r.unlink(p)
	}
	names := r.plain.list(p).names
	for _, name := range names {
		if !r.removeAll(joinPath(p, name)) {
			return false
		}
	}
	return r.rmdir(p)
}

// Patterns of names that never leave the machine: those of docs/semantics.md that the
// model makes.
var (
	privateFiles       = []string{"*.part", "*~", ".*.sw[a-p]", ".goutputstream-*", "#*#"}
	privateDirectories = []string{".Trash-*"}
)

// privateFile reports whether a file at p stays on this machine.
func privateFile(p string) bool {
	dir, name := splitPath(p)
	return matchesAny(privateFiles, name) || privateDirectory(dir)
}

// privateDirectory reports whether the directory p and all below it stay on this
// machine.
func privateDirectory(p string) bool {
	return slices.ContainsFunc(strings.Split(p, "/"),
		func(name string) bool { return matchesAny(privateDirectories, name) })
}

// private reports whether what is at p stays on this machine.
func (r *modelRun) private(p string) bool {
	a, ok := r.plainAttr(p)
	if ok && a.kind == unix.S_IFDIR {
		return privateDirectory(p)
	}
	return privateFile(p)
}

func matchesAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		ok, _ := path.Match(pattern, name)
		return ok
	})
}
