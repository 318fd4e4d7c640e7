package integration

import (
	"cmp"
	"fmt"
	"maps"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"
)

// modelOperation is a kind of step. An operation is added by one more entry in
// operations: how its arguments are drawn, and what it does.
type modelOperation struct {
	weight int
	draw   func(g *drawing) step
	do     func(r *modelRun, s step)
}

var operations map[string]modelOperation

func init() { // a map that parseStep looks into, too
	operations = map[string]modelOperation{
		// What programs do to a file by its name.
		"put": {12, func(g *drawing) step {
			return step{path: g.path(), n: g.size(), seed: g.seed(), mode: g.createMode(),
				opt: g.options("fsync", "excl", "chunks", "utimes")}
		}, (*modelRun).doPut},
		"append": {5, func(g *drawing) step {
			return step{path: g.path(), n: g.size(), seed: g.seed(),
				opt: g.options("create", "fsync")}
		}, func(r *modelRun, s step) {
			flags := unix.O_WRONLY | unix.O_APPEND
			if s.has("create") {
				flags |= unix.O_CREAT
			}
			if r.open(shortSlot, s.path, flags, 0o644) {
				r.write(shortSlot, s.data())
				r.fsyncIf(shortSlot, s)
				r.close(shortSlot)
			}
		}},
		"edit": {5, func(g *drawing) step {
			return step{path: g.path(), off: g.offset(), n: g.size(), seed: g.seed(),
				opt: g.options("rdwr", "fsync")}
		}, func(r *modelRun, s step) {
			flags := unix.O_WRONLY
			if s.has("rdwr") {
				flags = unix.O_RDWR
			}
			if r.open(shortSlot, s.path, flags, 0) {
				r.pwrite(shortSlot, s.data(), s.off)
				r.fsyncIf(shortSlot, s)
				r.close(shortSlot)
			}
		}},
		"map": {2, func(g *drawing) step {
			return step{path: g.path(), off: g.offset(), n: g.size(), seed: g.seed(),
				opt: g.options("msync", "closefirst")}
		}, (*modelRun).doMap},
		"truncate": {3, func(g *drawing) step { return step{path: g.path(), n: g.offset()} }, (*modelRun).doTruncate},
		"copy":     {2, func(g *drawing) step { return step{path: g.path(), to: g.path()} }, (*modelRun).doCopy},
		"save": {6, func(g *drawing) step {
			return step{path: g.path(), n: g.size(), seed: g.seed(), opt: g.one(savePatterns...)}
		}, (*modelRun).doSave},
		"read":  {4, func(g *drawing) step { return step{path: g.path()} }, func(r *modelRun, s step) { r.read(s.path) }},
		"stat":  {3, func(g *drawing) step { return step{path: g.path()} }, func(r *modelRun, s step) { r.stat(s.path) }},
		"chmod": {3, func(g *drawing) step { return step{path: g.path(), mode: g.permissions()} }, func(r *modelRun, s step) { r.chmod(s.path, s.mode) }},
		"utimes": {3, func(g *drawing) step {
			t := g.time()
			return step{path: g.path(), sec: t.Unix(), nsec: int64(t.Nanosecond())}
		}, func(r *modelRun, s step) { r.utimes(s.path, time.Unix(s.sec, s.nsec)) }},

		// Names.
		"rename": {10, func(g *drawing) step {
			from, to := g.two()
			return step{path: from, to: to, opt: g.sometimes(8, "noreplace")}
		}, func(r *modelRun, s step) {
			var flags uint
			if s.has("noreplace") {
				flags = unix.RENAME_NOREPLACE
			}
			r.rename(s.path, s.to, flags)
		}},
		"swap": {3, func(g *drawing) step {
			from, to := g.two()
			return step{path: from, to: to, opt: g.one("back", "rotate", "swap")}
		}, (*modelRun).doSwap},
		"unlink": {6, func(g *drawing) step { return step{path: g.path()} }, func(r *modelRun, s step) { r.unlink(s.path) }},
		"mkdir":  {8, func(g *drawing) step { return step{path: g.dirPath()} }, func(r *modelRun, s step) { r.mkdir(s.path) }},
		"rmdir":  {4, func(g *drawing) step { return step{path: g.dirPath()} }, func(r *modelRun, s step) { r.rmdir(s.path) }},
		"remove": {2, func(g *drawing) step { return step{path: g.dirPath()} }, func(r *modelRun, s step) { r.removeAll(s.path) }},
		"list":   {3, func(g *drawing) step { return step{path: g.dir()} }, func(r *modelRun, s step) { r.list(s.path) }},

		// Open files, kept across other steps.
		"open": {8, func(g *drawing) step {
			return step{slot: g.slot(), path: g.path(), mode: g.createMode(),
				opt: g.one("r", "w", "rw", "a", "ra") + g.sometimes(2, ",create") + g.sometimes(5,
					",excl") + g.sometimes(4, ",trunc")}
		}, (*modelRun).doOpen},
		"fwrite": {8, func(g *drawing) step {
			return step{slot: g.slot(), n: g.size(), seed: g.seed()}
		}, onOpen(func(r *modelRun, s step) {
			r.write(s.slot, s.data())
		})},
		"fpwrite": {5, func(g *drawing) step {
			return step{slot: g.slot(), off: g.offset(), n: g.size(), seed: g.seed()}
		}, onOpen(func(r *modelRun, s step) {
			r.pwrite(s.slot, s.data(), s.off)
		})},
		"fread": {4, func(g *drawing) step {
			return step{slot: g.slot(), off: g.offset(), n: g.size()}
		}, onOpen(func(r *modelRun, s step) {
			r.both(fmt.Sprintf("pread(%d, %d, %d)", s.slot, s.n, s.off),
				nil, func(w *world) result { return w.pread(s.slot, int(s.n), s.off) })
		})},
		"fstat": {2, func(g *drawing) step { return step{slot: g.slot()} },
			onOpen(func(r *modelRun, s step) {
				r.both(fmt.Sprintf("fstat(%d)", s.slot),
					nil, func(w *world) result { return w.fstat(s.slot) })
			})},
		"ftruncate": {3, func(g *drawing) step { return step{slot: g.slot(), n: g.offset()} },
			onOpen(func(r *modelRun, s step) {
				_, ok := r.both(fmt.Sprintf("ftruncate(%d, %d)", s.slot, s.n),
					nil, func(w *world) result {
						return failed(uninterruptedly(func() error {
							return unix.Ftruncate(w.files[s.slot], s.n)
						}))
					})
				r.wrote(s.slot, ok)
			})},
		"fallocate": {2, func(g *drawing) step {
			return step{slot: g.slot(), off: g.offset(), n: g.size() + 1,
				opt: g.one("", "keep", "punch")}
		}, onOpen(func(r *modelRun, s step) {
			mode := map[string]uint32{"": 0, "keep": unix.FALLOC_FL_KEEP_SIZE,
				"punch": unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE}[s.opt]
			_, ok := r.both(fmt.Sprintf("fallocate(%d, %d, %d, %d)", s.slot, mode, s.off, s.n),
				nil, func(w *world) result {
					return failed(uninterruptedly(func() error {
						return unix.Fallocate(w.files[s.slot], mode, s.off, s.n)
					}))
				})
			r.wrote(s.slot, ok)
		})},
		"fsync": {3, func(g *drawing) step { return step{slot: g.slot()} }, onOpen(func(r *modelRun, s step) { r.fsync(s.slot) })},
		"fchmod": {1, func(g *drawing) step { return step{slot: g.slot(), mode: g.permissions()} },
			onOpen(func(r *modelRun, s step) {
				r.both(fmt.Sprintf("fchmod(%d, %#o)", s.slot, s.mode), nil, func(w *world) result {
					return failed(uninterruptedly(func() error {
						return unix.Fchmod(w.files[s.slot], s.mode)
					}))
				})
			})},
		"close":   {8, func(g *drawing) step { return step{slot: g.slot()} }, onOpen(func(r *modelRun, s step) { r.close(s.slot) })},
		"opendir": {2, func(g *drawing) step { return step{slot: g.dirSlot(), path: g.dir()} }, (*modelRun).doOpenDir},
		"rewinddir": {3, func(g *drawing) step { return step{slot: g.dirSlot()} },
			func(r *modelRun, s step) {
				if r.plain.dirs[s.slot] >= 0 {
					r.both(fmt.Sprintf("rewinddir(%d)", s.slot),
						nil, func(w *world) result { return w.rewindDir(s.slot) })
				}
			}},
		"fsyncdir": {1, func(g *drawing) step { return step{path: g.dir()} },
			func(r *modelRun, s step) {
				r.both(fmt.Sprintf("fsync of directory (%q)", s.path), nil, func(w *world) result {
					fd, err := w.openFD(s.path, unix.O_RDONLY|unix.O_DIRECTORY, 0)
					if err != nil {
						return failed(err)
					}
					defer unix.Close(fd)
					return failed(uninterruptedly(func() error { return unix.Fsync(fd) }))
				})
			}},
	}
	maps.Copy(operations, lifeOperations)
	maps.Copy(operations, faultOperations)
	maps.Copy(operations, diskOperations)
}

// onOpen does nothing where the slot holds no file.
func onOpen(do func(r *modelRun, s step)) func(r *modelRun, s step) {
	return func(r *modelRun, s step) {
		if r.plain.files[s.slot] >= 0 {
			r.replaced = r.isReplaced(s.slot)
			defer func() { r.replaced = false }()
			do(r, s)
		}
	}
}

func (r *modelRun) fsyncIf(slot int, s step) {
	if s.has("fsync") {
		r.fsync(slot)
	}
}

// fsync syncs a file in both worlds. With -o sync S3 gets what there is.
func (r *modelRun) fsync(slot int) {
	if r.l.mode.sync && r.slots[slot].write {
		r.complete(r.plainContent(slot))
	}
	r.both(fmt.Sprintf("fsync(%d)", slot), nil, func(w *world) result {
		return failed(uninterruptedly(func() error { return unix.Fsync(w.files[slot]) }))
	})
	if r.wasExcused && r.diskErrno != 0 && r.slots[slot].write {
		r.refusedWrite(slot)
	}
}

func (r *modelRun) doPut(s step) {
	flags := unix.O_WRONLY | unix.O_CREAT | unix.O_TRUNC
	if s.has("excl") {
		flags |= unix.O_EXCL
	}
	if !r.open(shortSlot, s.path, flags, cmp.Or(s.mode, 0o644)) {
		return
	}
	b := s.data()
	if s.has("chunks") {
		for len(b) > 3 {
			r.write(shortSlot, b[:len(b)/2])
			b = b[len(b)/2:]
		}
	}
	r.write(shortSlot, b)
	r.fsyncIf(shortSlot, s)
	r.close(shortSlot)
	if s.has("utimes") { // as cp -p does
		r.utimes(s.path, time.Unix(1_000_000_000, 0))
	}
}

func (r *modelRun) doTruncate(s step) {
	a, ok := r.plainAttr(s.path)
	if ok && a.size == 0 && s.n == 0 {
		return // FUSE does not tell it from O_TRUNC, which sets the time
	}
	if ok && a.kind == unix.S_IFREG {
		if f := r.fileOf(a); f.writers == 0 {
			b := r.plain.readAll(s.path).data
			whole := make([]byte, s.n)
			copy(whole, b)
			r.complete(whole)
			if s.n == 0 {
				f.cut, f.refused, f.unsure = false, false, false
			} else {
				f.cut = f.refused
			}
		}
	}
	_, did := r.both(fmt.Sprintf("truncate(%q, %d)", s.path, s.n),
		r.mayRefuseOpen(s.path, 0), func(w *world) result {
			return failed(uninterruptedly(func() error {
				return unix.Truncate(w.path(s.path), s.n)
			}))
		})
	r.refusedTruncate(s.path)
	if did && ok && a.kind == unix.S_IFREG && a.size != s.n {
		if f := r.fileOf(a); f.writers > 0 { // it is changed while a program has it open
			f.dirty, f.sealed = true, false
		}
	}
	if ok && a.size == s.n { // docs/semantics.md, Attributes: the time stays
		r.setPlainTime(s.path, a.mtime)
	}
}

// doMap writes through a shared mapping.
func (r *modelRun) doMap(s step) {
	a, ok := r.plainAttr(s.path)
	if !ok || a.kind != unix.S_IFREG || a.size <= s.off || s.n == 0 {
		return
	}
	if !r.open(shortSlot, s.path, unix.O_RDWR, 0) {
		return
	}
	start := s.off &^ 4095
	end := min(s.off+s.n, a.size)
	b := s.data()[:end-s.off]
	if r.l.mode.sync && s.has("msync") { // as fsync
		whole := r.plainContent(shortSlot)
		copy(whole[s.off:], b)
		r.complete(whole)
	}
	_, ok = r.both(fmt.Sprintf("mmap(%d, %d to %d)", shortSlot, start, end),
		nil, func(w *world) result {
			var err error
			w.maps, err = unix.Mmap(w.files[shortSlot], start, int(end-start),
				unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
			if err == nil {
				err = touchWith(w.maps[s.off-start:], b)
			}
			if err == nil && s.has("msync") {
				err = unix.Msync(w.maps, unix.MS_SYNC)
			}
			return failed(err)
		})
	r.wrote(shortSlot, ok)
	r.slots[shortSlot].file.mapped = true
	unmap := func() {
		r.both("munmap()", nil, func(w *world) result { return failed(unix.Munmap(w.maps)) })
	}
	if s.has("closefirst") {
		r.close(shortSlot)
		unmap()
		return
	}
	unmap()
	r.close(shortSlot)
}

// doCopy copies as cp does.
func (r *modelRun) doCopy(s step) {
	from := r.plain.readAll(s.path)
	if from.errno != 0 || !r.open(shortSlot, s.to, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC, 0o644) {
		return
	}
	r.both(fmt.Sprintf("copy_file_range(%q, %q)", s.path, s.to),
		r.mayRefuseRead(s.path), func(w *world) result {
			fd, err := w.openFD(s.path, unix.O_RDONLY, 0)
			if err != nil {
				return failed(err)
			}
			defer unix.Close(fd)
			return copyAll(w.files[shortSlot], fd)
		})
	r.close(shortSlot)
}

// copyAll copies by copy_file_range(2) until the end of the file.
func copyAll(to, from int) result {
	all := 0
	for {
		n, err := uninterrupted(func() (int, error) {
			return unix.CopyFileRange(from, nil, to, nil, 1<<20, 0)
		})
		if err != nil {
			return failed(err)
		}
		if n == 0 {
			return result{n: all}
		}
		all += n
	}
}

// savePatterns are the ways in which programs save a file.
var savePatterns = []string{"inplace", "temporary", "private", "backup", "backupcopy",
	"autosave", "unlinkfirst", "sed"}

// doSave replaces what a file holds.
func (r *modelRun) doSave(s step) {
	b := s.data()
	write := func(p string, flags int) bool {
		if !r.open(shortSlot, p, unix.O_WRONLY|unix.O_CREAT|flags, 0o644) {
			return false
		}
		r.write(shortSlot, b)
		r.close(shortSlot)
		return true
	}
	p := s.path
	dir, name := splitPath(p)
	switch s.opt {
	case "inplace":
		write(p, unix.O_TRUNC)
	case "temporary": // a name that no list knows
		if write(p+".new", unix.O_TRUNC) && !r.rename(p+".new", p, 0) {
			r.unlink(p + ".new")
		}
	case "private": // browsers, GLib
		tmp := joinPath(dir, ".goutputstream-ABC123")
		if write(tmp, unix.O_EXCL) && !r.rename(tmp, p, 0) {
			r.unlink(tmp)
		}
	case "backup": // vim, backupcopy=no
		if r.rename(p, p+"~", 0) && write(p, unix.O_EXCL) {
			r.unlink(p + "~")
		}
	case "backupcopy": // Emacs, gedit
		r.rename(p, p+"~", 0)
		write(p, unix.O_TRUNC)
	case "autosave":
		auto := joinPath(dir, "#"+name+"#")
		if write(auto, unix.O_TRUNC) && write(p, unix.O_TRUNC) {
			r.unlink(auto)
		}
	case "unlinkfirst":
		if r.unlink(p) {
			write(p, unix.O_EXCL)
		}
	case "sed": // sed -i, patch: a temporary file that has the mode of the old one
		tmp := joinPath(dir, "sedXy1")
		if !write(tmp, unix.O_EXCL) {
			return
		}
		r.chmod(tmp, 0o640)
		if !r.rename(tmp, p, 0) {
			r.unlink(tmp)
		}
	}
}

// doSwap renames one name upon the other, back and forth.
func (r *modelRun) doSwap(s step) {
	f, g := s.path, s.to
	switch s.opt {
	case "back": // mv f g; mv g f
		if r.rename(f, g, 0) {
			r.rename(g, f, 0)
		}
	case "rotate": // mv f.1 f.2; mv f f.1
		if r.rename(g, g+".2", 0) {
			r.rename(f, g, 0)
		}
	case "swap":
		if r.rename(f, f+".x", 0) {
			r.rename(g, f, 0)
			r.rename(f+".x", g, 0)
		}
	}
}

func splitPath(p string) (dir, name string) {
	for i := len(p) - 1; i >= 0; i-- {
		if p[i] == '/' {
			return p[:i], p[i+1:]
		}
	}
	return "", p
}

func (r *modelRun) doOpen(s step) {
	if r.plain.files[s.slot] >= 0 {
		return
	}
	flags := unix.O_RDONLY
	switch {
	case s.has("w"):
		flags = unix.O_WRONLY
	case s.has("rw"):
		flags = unix.O_RDWR
	case s.has("a"):
		flags = unix.O_WRONLY | unix.O_APPEND
	case s.has("ra"):
		flags = unix.O_RDWR | unix.O_APPEND
	}
	if s.has("create") && flags != unix.O_RDONLY {
		flags |= unix.O_CREAT
		if s.has("excl") {
			flags |= unix.O_EXCL
		}
	}
	if s.has("trunc") && flags != unix.O_RDONLY {
		flags |= unix.O_TRUNC
	}
	r.open(s.slot, s.path, flags, cmp.Or(s.mode, 0o644))
}

func (r *modelRun) doOpenDir(s step) {
	for _, w := range []*world{r.real, r.plain} {
		if fd := w.dirs[s.slot]; fd >= 0 {
			_ = unix.Close(fd)
			w.dirs[s.slot] = -1
		}
	}
	_, ok := r.both(fmt.Sprintf("opendir(%d, %q)", s.slot, s.path), nil, func(w *world) result {
		fd, err := w.openFD(s.path, unix.O_RDONLY|unix.O_DIRECTORY, 0)
		if err == nil {
			w.dirs[s.slot] = fd
		}
		return failed(err)
	})
	if ok {
		r.both(fmt.Sprintf("readdir(%d)", s.slot),
			nil, func(w *world) result { return readDirFD(w.dirs[s.slot]) })
	}
}

// touchWith copies b into mapped memory; a page that cannot be had is an error, for
// which a program gets SIGBUS.
func touchWith(mapped, b []byte) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() != nil {
			err = unix.EFAULT
		}
	}()
	copy(mapped, b)
	return nil
}
