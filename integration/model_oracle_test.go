package integration

import (
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// What the mount may refuse where a plain file system does not, by what
// docs/semantics.md says; here and nowhere else. A refused call has changed nothing.

// excuse says which errors the mount may return where the plain file system does
// not, and why; holds looks whether that is so, nil for always.
type excuse struct {
	errnos []unix.Errno
	why    string
	holds  func() bool
	must   bool // the mount may not do it
}

// takenUp is how long S3 may take to have what was delivered at this moment.
const takenUp = 3 * time.Second

// atS3 reports whether S3 has something at p, or below it.
func (r *modelRun) atS3(p string) bool {
	key := r.key(p)
	for end := time.Now().Add(takenUp); ; time.Sleep(50 * time.Millisecond) {
		keys, err := r.l.direct.under(key)
		if err != nil {
			panic(err)
		}
		if _, ok := keys[key]; ok || hasBelow(keys, key+"/") || keys[key+"/"] != "" {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}

// whereDelivered excuses EACCES where S3 has one of the names.
func (r *modelRun) whereDelivered(granted bool, why string, names ...string) []excuse {
	if granted {
		return nil
	}
	return []excuse{{errnos: []unix.Errno{unix.EACCES}, why: why,
		holds: func() bool { return slices.ContainsFunc(names, r.atS3) }}}
}

func (r *modelRun) mayRefuseRemoval(p string) []excuse {
	return r.whereDelivered(r.l.rights.delete, "the policy grants no delete", p)
}

func (r *modelRun) mayRefuseRename(from, to string) []excuse {
	may := r.whereDelivered(r.l.rights.delete, "the policy grants no delete", from, to)
	if a, ok := r.plainAttr(from); ok && a.kind == unix.S_IFDIR {
		may = append(may, excuse{errnos: []unix.Errno{unix.EIO},
			why: "S3 keeps an object until its file is delivered under " +
				"a new name, and localbucket has nothing below an object", holds: func() bool {
				return r.isObject(to)
			}})
	}
	return may
}

// isObject reports whether S3 has an object at p itself.
func (r *modelRun) isObject(p string) bool {
	key := r.key(p)
	keys, err := r.l.direct.under(key)
	if err != nil {
		panic(err)
	}
	_, ok := keys[key]
	return ok
}

func (r *modelRun) mayRefuseRead(p string) []excuse {
	return r.whereDelivered(r.l.rights.get, "the policy grants no get", p)
}

func (r *modelRun) mayRefuseOpen(p string, flags int) []excuse {
	if flags&unix.O_TRUNC != 0 {
		return nil
	}
	return r.mayRefuseRead(p)
}

func (r *modelRun) mayRefuseAttr(p string) []excuse { return r.mayRefuseRead(p) }

// excused returns why a call may have failed so.
func (r *modelRun) excused(errno unix.Errno, may []excuse) (why string, ok bool) {
	if errno == 0 {
		return "", false
	}
	for _, e := range slices.Concat(may, r.faultExcuses(), r.diskExcuses(), r.replacedExcuses()) {
		for _, n := range e.errnos {
			if n == errno && (e.holds == nil || e.holds()) {
				return e.why, true
			}
		}
	}
	return "", false
}

// isReplaced reports whether another file has taken the name of an open one.
func (r *modelRun) isReplaced(slot int) bool {
	st := r.plain.fstat(slot)
	if st.errno != 0 || st.attr.nlink > 0 {
		return false
	}
	a, ok := r.plainAttr(r.slots[slot].path)
	return ok && a.ino != st.attr.ino
}

// replacedExcuses are the errors of an open file that another one has replaced: what was
// not read of it is gone from S3.
func (r *modelRun) replacedExcuses() []excuse {
	if !r.replaced {
		return nil
	}
	return []excuse{{errnos: []unix.Errno{unix.ESTALE}, why: "another file has replaced it at S3"}}
}

// asideGrace is how long S3 keeps a file that was renamed to a private name, with a
// little for the request.
const asideGrace = 35 * time.Second

// mayBeKept reports whether S3 may still have what was at p: it is set aside.
func (r *modelRun) mayBeKept(p string) bool {
	f, ok := r.aside[p]
	return ok && (!r.l.rights.delete || time.Since(f.at) < asideGrace)
}
