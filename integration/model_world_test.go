package integration

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// world is a directory in which a sequence runs, with the files that it has open
// there: one on the mount, one on a plain file system. Its methods are system
// calls; the package os would hide some of their errors.
type world struct {
	name  string // for messages
	root  string
	files [modelSlots + 1]int // open files by slot, -1 for none
	dirs  [modelDirs]int      // open directories
	maps  []byte              // what is mapped
}

const (
	modelSlots = 3          // files that a sequence holds open across its steps
	shortSlot  = modelSlots // the file that one step opens and closes
	modelDirs  = 2
)

func newWorld(name, root string) *world {
	w := &world{name: name, root: root}
	for i := range w.files {
		w.files[i] = -1
	}
	for i := range w.dirs {
		w.dirs[i] = -1
	}
	return w
}

// result is what a system call returned.
type result struct {
	errno unix.Errno
	n     int // bytes
	data  []byte
	names []string
	attr  *attr
}

// attr is what stat(2) says, without what s3share is not meant to keep.
type attr struct {
	kind  uint32 // S_IFREG or S_IFDIR
	perm  uint32
	size  int64
	mtime time.Time
	nlink uint64
	ino   uint64
}

func attrOf(st *unix.Stat_t) *attr {
	return &attr{
		kind: st.Mode & unix.S_IFMT, perm: st.Mode & 0o7777, size: st.Size,
		mtime: time.Unix(st.Mtim.Unix()), nlink: uint64(st.Nlink), ino: st.Ino,
	}
}

func (a *attr) String() string {
	kind := "file"
	if a.kind == unix.S_IFDIR {
		kind = "directory"
	}
	return fmt.Sprintf("%s mode %#o, %d bytes, %s", kind, a.perm,
		a.size, a.mtime.UTC().Format(time.RFC3339Nano))
}

func failed(err error) result {
	if err == nil {
		return result{}
	}
	var errno unix.Errno
	if !errors.As(err, &errno) {
		panic(err)
	}
	return result{errno: errno}
}

// uninterrupted repeats a call that a signal of Go's runtime has cut short.
func uninterrupted[T any](call func() (T, error)) (T, error) {
	for {
		v, err := call()
		if err != unix.EINTR {
			return v, err
		}
	}
}

func uninterruptedly(call func() error) error {
	_, err := uninterrupted(func() (struct{}, error) { return struct{}{}, call() })
	return err
}

func (w *world) path(p string) string {
	if p == "" {
		return w.root
	}
	return w.root + "/" + p
}

func (w *world) openFD(p string, flags int, mode uint32) (int, error) {
	return uninterrupted(func() (int, error) {
		return unix.Open(w.path(p), flags|unix.O_CLOEXEC, mode)
	})
}

func (w *world) open(slot int, p string, flags int, mode uint32) result {
	fd, err := w.openFD(p, flags, mode)
	if err == nil {
		w.files[slot] = fd
	}
	return failed(err)
}

func (w *world) closeSlot(slot int) result {
	fd := w.files[slot]
	w.files[slot] = -1
	return failed(unix.Close(fd))
}

func (w *world) pwrite(slot int, b []byte, off int64) result {
	n, err := uninterrupted(func() (int, error) { return unix.Pwrite(w.files[slot], b, off) })
	r := failed(err)
	r.n = n
	return r
}

func (w *world) write(slot int, b []byte) result {
	n, err := uninterrupted(func() (int, error) { return unix.Write(w.files[slot], b) })
	r := failed(err)
	r.n = n
	return r
}

func (w *world) pread(slot int, n int, off int64) result {
	return preadAll(w.files[slot], n, off)
}

// preadAll reads until n bytes, the end or an error.
func preadAll(fd, n int, off int64) result {
	b := make([]byte, n)
	got := 0
	for got < n {
		k, err := uninterrupted(func() (int, error) {
			return unix.Pread(fd, b[got:], off+int64(got))
		})
		if err != nil {
			return failed(err)
		}
		if k == 0 {
			break
		}
		got += k
	}
	return result{n: got, data: b[:got]}
}

func (w *world) fstat(slot int) result { return fstat(w.files[slot]) }

func fstat(fd int) result {
	var st unix.Stat_t
	if err := uninterruptedly(func() error { return unix.Fstat(fd, &st) }); err != nil {
		return failed(err)
	}
	return result{attr: attrOf(&st)}
}

func (w *world) lstat(p string) result {
	var st unix.Stat_t
	if err := uninterruptedly(func() error { return unix.Lstat(w.path(p), &st) }); err != nil {
		return failed(err)
	}
	return result{attr: attrOf(&st)}
}

// readAll reads a file by its name.
func (w *world) readAll(p string) result {
	fd, err := w.openFD(p, unix.O_RDONLY, 0)
	if err != nil {
		return failed(err)
	}
	defer unix.Close(fd)
	return readFD(fd)
}

// readFD reads all that an open file holds.
func readFD(fd int) result {
	var all bytes.Buffer
	for {
		r := preadAll(fd, 1<<20, int64(all.Len()))
		if r.errno != 0 {
			return r
		}
		all.Write(r.data)
		if r.n < 1<<20 {
			return result{n: all.Len(), data: all.Bytes()}
		}
	}
}

// list lists a directory by its name.
func (w *world) list(p string) result {
	fd, err := w.openFD(p, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return failed(err)
	}
	defer unix.Close(fd)
	return readDirFD(fd)
}

// readDirFD reads what is left of an open directory. The names are sorted.
func readDirFD(fd int) result {
	names := []string{}
	buf := make([]byte, 32<<10)
	for {
		n, err := uninterrupted(func() (int, error) { return unix.ReadDirent(fd, buf) })
		if err != nil {
			return failed(err)
		}
		if n == 0 {
			slices.Sort(names)
			return result{names: names}
		}
		_, _, names = unix.ParseDirent(buf[:n], -1, names)
	}
}

// rewindDir reads an open directory from its beginning.
func (w *world) rewindDir(slot int) result {
	if _, err := unix.Seek(w.dirs[slot], 0, 0); err != nil {
		return failed(err)
	}
	return readDirFD(w.dirs[slot])
}

// drop closes all that is open, whatever that says: after a crash of the daemon.
func (w *world) drop() {
	for i, fd := range w.files {
		if fd >= 0 {
			_ = unix.Close(fd)
			w.files[i] = -1
		}
	}
	for i, fd := range w.dirs {
		if fd >= 0 {
			_ = unix.Close(fd)
			w.dirs[i] = -1
		}
	}
}

// tree is all that a directory holds: attributes by path, "" for itself.
func (w *world) tree() (map[string]*attr, error) {
	all := map[string]*attr{}
	var walk func(p string) error
	walk = func(p string) error {
		r := w.lstat(p)
		if r.errno != 0 {
			return fmt.Errorf("%s: stat %q: %w", w.name, p, r.errno)
		}
		all[p] = r.attr
		if r.attr.kind != unix.S_IFDIR {
			return nil
		}
		l := w.list(p)
		if l.errno != 0 {
			return fmt.Errorf("%s: list %q: %w", w.name, p, l.errno)
		}
		for _, name := range l.names {
			if err := walk(joinPath(p, name)); err != nil && !errors.Is(err, fs.ErrPermission) {
				return err
			}
		}
		return nil
	}
	return all, walk("")
}

func joinPath(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}
