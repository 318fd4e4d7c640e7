package integration

import (
	"time"

	"golang.org/x/sys/unix"
)

// What the mount may refuse where a plain file system does not, by what
// docs/semantics.md says; here and nowhere else. A refused call has changed nothing.

// settleAtLeast is how long a file that was closed is certainly not delivered yet.
const settleAtLeast = 200 * time.Millisecond

// delivered reports whether S3 may have the file at p, or one below it.
func (r *modelRun) delivered(p string) bool {
	a, ok := r.plainAttr(p)
	if !ok {
		return false
	}
	if a.kind == unix.S_IFDIR {
		return true // its marker
	}
	f := r.fileOf(a)
	return !f.sealed.IsZero() && time.Since(f.sealed) > settleAtLeast
}

const (
	noDelete = "the policy grants no delete"
	noGet    = "the policy grants no get"
)

func (r *modelRun) mayRefuseRemoval(p string) excuse {
	if r.l.rights.delete || privatePath(p) || !r.delivered(p) {
		return nil
	}
	return excuse{unix.EACCES: noDelete}
}

func (r *modelRun) mayRefuseRename(from, to string) excuse {
	if r.l.rights.delete || privatePath(from) || !r.delivered(from) {
		return nil
	}
	return excuse{unix.EACCES: noDelete}
}

func (r *modelRun) mayRefuseRead(p string) excuse {
	if r.l.rights.get || privatePath(p) || !r.delivered(p) {
		return nil
	}
	return excuse{unix.EACCES: noGet}
}

func (r *modelRun) mayRefuseOpen(p string, flags int) excuse {
	if flags&unix.O_TRUNC != 0 {
		return nil
	}
	return r.mayRefuseRead(p)
}

func (r *modelRun) mayRefuseAttr(p string) excuse { return r.mayRefuseRead(p) }

func (r *modelRun) mayRefuseClose(openFile) excuse { return nil }

// asideGrace is how long S3 keeps a file that was renamed to a private name, with a
// little for the request.
const asideGrace = 35 * time.Second

// mayBeKept reports whether S3 may still have what was at p: it is set aside.
func (r *modelRun) mayBeKept(p string) bool {
	at, ok := r.aside[p]
	return ok && (!r.l.rights.delete || time.Since(at) < asideGrace)
}
