package integration

import "strings"

// lifeOperations end the daemon, and mount again.
var lifeOperations = map[string]modelOperation{
	"wait": {1, func(g *drawing) step { return step{} }, func(r *modelRun, s step) {
		for _, of := range r.slots {
			if of.write {
				return // it would wait for the close
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
	for slot, of := range r.slots {
		if of.write {
			of.file.writers = 0
			of.file.cut = of.file.cut || of.file.dirty && r.plain.fstat(slot).attr.nlink > 0
		}
		r.slots[slot] = openFile{}
	}
	r.real.drop()
	r.plain.drop()
	r.healDisk() // else it could not start
	if err := r.l.remount(); err != nil {
		r.fail("mount", "mount again: %v", err)
	}
	r.again = true
	r.compareTrees("after the mount")
}
