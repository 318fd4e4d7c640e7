package integration

import "golang.org/x/sys/unix"

// Faults of the disk under the outbox and the cache, as steps. A call that the disk
// fails may fail with the disk's error; then it has changed nothing, and a file that
// could not be written is interrupted.

// diskErrors are the errors that a disk has.
var diskErrors = map[string]unix.Errno{"ENOSPC": unix.ENOSPC, "EIO": unix.EIO, "EDQUOT": unix.EDQUOT}

// diskOperations are drawn in modes with a disk that fails.
var diskOperations = map[string]modelOperation{
	"diskfault": {10, func(g *drawing) step {
		return step{
			to:  g.one("write", "fsync", "create|mkdir", "rename", "unlink", "truncate|allocate", "read|open", "fsyncdir", ""),
			off: int64(oneOf(g, 0, 0, 0, 1, 2, 5)), n: int64(oneOf(g, 1, 1, 2, 3, 10)), opt: g.one("ENOSPC", "EIO", "EDQUOT", "short"),
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
