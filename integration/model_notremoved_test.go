package integration

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/s3share/s3share/cache/outbox"
)

// What S3 refuses to delete is shown again, and status says so. docs/semantics.md, Removing.

// removedFile is a file or directory that was removed, or renamed.
type removedFile struct {
	path string
	dir  bool
	data []byte
}

// refusesDeletes reports whether S3 may refuse, for good, to delete what was removed here. Where
// the policy grants no delete, that is an object that S3 got while its file was being renamed; the
// log names it.
func (r *modelRun) refusesDeletes() bool {
	if !r.l.rights.delete {
		n := strings.Count(r.l.m.log.String(), `msg="not removed"`)
		more := n > r.refusals
		r.refusals = n
		return more
	}
	return r.faultRefusesDeletes()
}

func (r *modelRun) faultRefusesDeletes() bool {
	return r.refused != nil && strings.Contains(r.refused.op, "DeleteObject") &&
		(r.refusedBy == "403" || r.refusedBy == "400")
}

// isBlocked reports whether S3 may keep, though it was removed here, what does not let localbucket
// have p: it stores objects as files, and has either an object or others below its key. Such a step
// is left out. A directory may have anything below it.
func (r *modelRun) isBlocked(p string, dir bool) bool {
	if r.l.rights.delete && !r.faultRefusesDeletes() {
		return false
	}
	key := r.key(p)
	if dir {
		_, ok := r.removed[key]
		return ok
	}
	for other := range r.removed {
		if strings.HasPrefix(other, key+"/") {
			return true
		}
	}
	return false
}

// keepRemoved returns a function that records what is at p now, and below it, as removed.
func (r *modelRun) keepRemoved(p string) (removed func()) {
	if !r.l.mode.faults && r.l.rights.delete {
		return func() {}
	}
	var all []removedFile
	var walk func(p string)
	walk = func(p string) {
		a, ok := r.plainAttr(p)
		switch {
		case !ok:
		case a.kind == unix.S_IFDIR:
			all = append(all, removedFile{path: p, dir: true})
			for _, name := range r.plain.list(p).names {
				walk(joinPath(p, name))
			}
		default:
			all = append(all, removedFile{path: p, data: r.plain.readAll(p).data})
		}
	}
	walk(p)
	return func() {
		for _, f := range all {
			key := r.key(f.path)
			if f.dir {
				key += "/"
			}
			r.removed[key] = f
		}
	}
}

// awaitRefusals returns when S3 has refused all that it will refuse to delete, and has the plain
// directory show it again.
func (r *modelRun) awaitRefusals() {
	if len(r.removed) == 0 || !r.refusesDeletes() {
		return
	}
	var listed struct{ Pending, Unresolved []outbox.Status }
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		var all []struct {
			Pending    []outbox.Status `json:"owed"`
			Unresolved []outbox.Status `json:"beside"`
		}
		out, err := r.l.m.run("status", "--json", r.l.m.dir)
		if err == nil {
			err = json.Unmarshal([]byte(out), &all)
		}
		if err != nil || len(all) != 1 {
			r.fail("status", "s3share status --json: %v\n%s", err, out)
		}
		listed.Pending, listed.Unresolved = all[0].Pending, all[0].Unresolved
		busy := false
		for _, st := range listed.Pending {
			_, ours := r.removed[st.Key]
			busy = busy ||
				ours && r.l.rights.delete && st.State == outbox.Removing && !r.setAside(st.Key)
		}
		if !busy || time.Now().After(deadline) {
			break
		}
	}
	for _, st := range listed.Unresolved {
		if st.State == outbox.NotRemoved && strings.HasPrefix(st.Key, r.dir+"/") {
			r.showAgain(st.Key)
		}
	}
}

// setAside reports whether what was at key has a private name now: S3 keeps it for a while.
func (r *modelRun) setAside(key string) bool {
	_, ok := r.aside[r.removed[key].path]
	return ok
}

// showAgain has the plain directory show what S3 has refused to delete.
func (r *modelRun) showAgain(key string) {
	f, known := r.removed[key]
	if !known || r.plain.lstat(f.path).errno == 0 {
		return // it is shown already
	}
	// The kernel may still know for a second that there is no such name.
	a := r.real.lstat(f.path)
	for deadline := time.Now().Add(patience); a.errno == unix.ENOENT &&
		time.Now().Before(deadline); a = r.real.lstat(f.path) {
		time.Sleep(20 * time.Millisecond)
	}
	if a.errno != 0 {
		r.fail("not shown again", "%q is said to be not removed, and is %v", f.path, a.brief())
	}
	delete(r.removed, key)
	delete(r.aside, f.path)
	path := r.plain.path(f.path)
	if f.dir {
		if err := os.MkdirAll(path, 0o755); err != nil {
			panic(err)
		}
		r.note("S3 has refused to delete %q: it is shown again", f.path)
		return
	}
	r.makePlain(f.path, r.shownBytes(f.path, f.data), a.attr)
	r.note("S3 has refused to delete %q: it is shown again", f.path)
}

// shownBytes returns what a file holds that S3 did not let be deleted; last is what it was when it
// was removed. Without the right to delete, S3 may have a state from before it was written last,
// which was not delivered any more.
func (r *modelRun) shownBytes(p string, last []byte) []byte {
	now := r.real.readAll(p)
	if now.errno != 0 || bytes.Equal(now.data, last) {
		return last
	}
	if r.l.rights.delete || !r.isWhole(now.data) {
		r.fail("bytes shown again", "%q, which S3 did not let be deleted, reads %s",
			p, difference(now.data, last))
	}
	return now.data
}

// makePlain makes a file in the plain directory alone.
func (r *modelRun) makePlain(p string, data []byte, a *attr) {
	path := r.plain.path(p)
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, data, 0o600)
	}
	if err == nil {
		err = os.Chmod(path, os.FileMode(a.perm))
	}
	if err != nil {
		panic(err)
	}
	r.setPlainTime(p, a.mtime)
}
