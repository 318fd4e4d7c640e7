package integration

import (
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// lifeOperations end the daemon, and mount again.
var lifeOperations = map[string]modelOperation{
	"wait": {1, func(g *drawing) step { return step{} }, func(r *modelRun, s step) {
		for slot, of := range r.slots {
			if of.write || of.file != nil && r.plain.fstat(slot).attr.nlink == 0 {
				return // it would wait for the close, also of what was removed
			}
		}
		r.heal()
		r.healDisk()
		r.awaitDelivery()
	}},
	"kill": {1, func(g *drawing) step { return step{} }, func(r *modelRun, _ step) {
		r.note("kill -9")
		_ = r.l.m.cmd.Process.Kill()
		r.l.stats.kills.Add(1)
		r.died()
	}},
	"remount": {1, func(g *drawing) step { return step{} }, func(r *modelRun, _ step) {
		r.closeAll() // it would be busy
		r.heal()
		r.healDisk()
		out, err := r.l.m.run("unmount", "--timeout", patience.String(), r.l.m.dir)
		r.note("s3share unmount: %v %s", err, strings.TrimSpace(out))
		if err != nil { // it is still mounted, and knows
			r.exitFits("unmount", out, err)
		}
		if err == nil {
			r.compareBucket("after the unmount")
		} else if out, err := r.l.m.run("unmount", "--keep", r.l.m.dir); err == nil {
			r.fail("unmount", "unmount --keep = 0 though there is something left: %s", out)
		}
		r.died()
	}},
	"keep": {1, func(g *drawing) step { return step{} }, func(r *modelRun, _ step) {
		r.closeAll()
		r.healDisk()
		out, err := r.l.m.run("unmount", "--keep", r.l.m.dir)
		r.note("s3share unmount --keep: %v %s", err, strings.TrimSpace(out))
		if err == nil {
			r.compareBucket("after unmount --keep, which said that all is delivered")
		}
		r.died()
	}},
}

// died mounts again, after the daemon was ended: what was closed is there, and what
// was open for writing is as it was, and interrupted.
func (r *modelRun) died() {
	cut := map[*modelFile]bool{}
	for slot, of := range r.slots {
		if of.write {
			of.file.writers = 0
			cut[of.file] = true // a new mode counts as writing
			if of.file.dirty && r.plain.fstat(slot).attr.nlink > 0 {
				if of.file.sealed {
					of.file.unsure = true
				} else {
					of.file.cut = true
				}
			}
		}
		r.slots[slot] = openFile{}
	}
	r.real.drop()
	r.plain.drop()
	r.healDisk() // else it could not start
	r.back()
	if err := r.l.remount(); err != nil {
		r.fail("mount", "mount again: %v", err)
	}
	r.takeTimes(cut)
	r.compareTrees("after the mount")
}

// asideFile is a file that was renamed to a private name, as it was.
type asideFile struct {
	at   time.Time
	data []byte
}

// lookAgain is shownAgain for what the mount shows now.
func (r *modelRun) lookAgain() {
	if r.l.rights.delete || len(r.aside) == 0 {
		return
	}
	got := map[string]*attr{}
	for p := range r.aside {
		dir, name := filepath.Split(p)
		if !slices.Contains(r.real.list(strings.TrimSuffix(dir, "/")).names, name) {
			continue
		}
		// The kernel may still know for a second that there is no such name.
		deadline := time.Now().Add(patience)
		a := r.real.lstat(p)
		for ; a.errno == unix.ENOENT && time.Now().Before(deadline); a = r.real.lstat(p) {
			time.Sleep(20 * time.Millisecond)
		}
		if a.errno == 0 {
			got[p] = a.attr
		}
	}
	r.shownAgain(got)
}

// shownAgain has the plain directory show what the mount shows again. docs/semantics.md,
// rename: S3 has refused to delete what was renamed to a private name.
func (r *modelRun) shownAgain(got map[string]*attr) {
	if r.l.rights.delete {
		return
	}
	for p, was := range r.aside {
		a := got[p]
		if a == nil || a.kind != unix.S_IFREG || r.plain.lstat(p).errno == 0 {
			continue
		}
		r.makePlain(p, r.shownBytes(p, was.data), a)
		delete(r.aside, p)
	}
}

// takeTimes gives plain files the times that the mount shows of them. docs/semantics.md,
// Attributes: that of a file that was being written is one since it was opened.
func (r *modelRun) takeTimes(of map[*modelFile]bool) {
	tree, err := r.plain.tree()
	if err != nil {
		panic(err)
	}
	for p, a := range tree {
		if a.kind != unix.S_IFREG || !of[r.fileOf(a)] {
			continue
		}
		got := r.real.lstat(p)
		if got.errno != 0 || r.attrDiffers(got.attr, a) == "" {
			continue // compareTrees tells
		}
		t := got.attr.mtime
		if t.Before(r.begun.Add(-time.Second)) || t.After(time.Now().Add(time.Second)) {
			r.fail("mtime of a cut file", "%q was being written, and its time is %v", p, t)
		}
		r.setPlainTime(p, t)
	}
}

// setPlainTime gives a file in the plain world a time that only the docs can tell.
func (r *modelRun) setPlainTime(p string, t time.Time) { setTime(r.plain.path(p), t) }

func setTime(path string, t time.Time) {
	ts := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, {Sec: t.Unix(), Nsec: int64(t.Nanosecond())}}
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, path, ts, 0); err != nil {
		panic(err)
	}
}
