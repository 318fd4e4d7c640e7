package integration

import (
	"bytes"
	"os"

	"golang.org/x/sys/unix"
)

// Faults of the disk under the outbox and the cache, as steps. A call that the disk
// fails may fail with the disk's error; then it has changed nothing, and a file that
// could not be written is interrupted.

// diskErrors are the errors that a disk has.
var diskErrors = map[string]unix.Errno{"ENOSPC": unix.ENOSPC,
	"EIO": unix.EIO, "EDQUOT": unix.EDQUOT}

// diskOperations are drawn in modes with a disk that fails.
var diskOperations = map[string]modelOperation{
	"diskfault": {10, func(g *drawing) step {
		return step{
			to: g.one("write", "fsync", "create|mkdir", "rename", "unlink", "truncate|allocate",
				"read|open", "fsyncdir", ""),
			off: int64(oneOf(g, 0, 0, 0, 1, 2, 5)), n: int64(oneOf(g, 1, 1, 2, 3, 10)),
			opt: g.one("ENOSPC", "EIO", "EDQUOT", "short"),
		}
	}, func(r *modelRun, s step) {
		rule := diskRule{Ops: s.to, Skip: int(s.off), Times: int(s.n), Errno: diskErrors[s.opt]}
		if s.opt == "short" {
			rule.Short, rule.Errno, rule.Ops = true, unix.ENOSPC, "write"
		}
		r.diskErrno = rule.Errno
		r.diskFailed = r.l.disk.set(rule)
	}},
	"diskheal": {2, func(g *drawing) step { return step{} }, func(r *modelRun, _ step) { r.healDisk() }},
}

// refusedTruncate notes that the disk has refused to truncate a file by its name. Its content is
// what it was. docs/semantics.md, Refused writers: if it was waiting, or open for writing, it is
// interrupted.
func (r *modelRun) refusedTruncate(p string) {
	if !r.wasExcused || r.diskErrno == 0 {
		return
	}
	if a, ok := r.plainAttr(p); ok && a.kind == unix.S_IFREG {
		r.fileOf(a).unsure = true
	}
}

// refusedClose notes that the disk has refused to close a file: it is interrupted. What was written
// to it through a memory map may be refused only then. If nothing else was written, the file may be
// as it was.
func (r *modelRun) refusedClose(slot int) {
	of := r.slots[slot]
	of.file.cut, of.file.refused = true, true
	p, ok := r.plainName(slot)
	if !ok || !of.file.mapped {
		return
	}
	r.healDisk() // what is in the stage has to be read
	got, want := r.real.readAll(p), r.plainContent(slot)
	if got.errno != 0 || bytes.Equal(got.data, want) {
		return
	}
	of.file.cut, of.file.refused, of.file.unsure = false, false, true
	if err := os.WriteFile(r.plain.path(p), got.data, 0); err != nil {
		panic(err)
	}
	r.setPlainTime(p, r.real.lstat(p).attr.mtime)
}

// plainName returns the name that an open file of the plain world has now.
func (r *modelRun) plainName(slot int) (string, bool) {
	tree, err := r.plain.tree()
	if err != nil {
		panic(err)
	}
	ino := r.plain.fstat(slot).attr.ino
	for p, a := range tree {
		if a.ino == ino {
			return p, true
		}
	}
	return "", false
}

// healDisk ends all faults of the disk.
func (r *modelRun) healDisk() {
	if r.l.disk != nil {
		r.l.disk.set()
		r.diskErrno = 0
	}
}

// diskExcuses are the errors that calls may return because the disk has failed since
// it was told to.
func (r *modelRun) diskExcuses() []excuse {
	if r.diskErrno == 0 {
		return nil
	}
	// EFAULT is the SIGBUS of a mapping.
	return []excuse{{
		errnos: []unix.Errno{r.diskErrno, unix.EIO, unix.EFAULT}, why: "the disk fails",
		holds: func() bool { return r.l.disk.count() > r.diskFailed },
	}}
}
