package fs

import (
	"context"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/s3share/s3share/cache"
	"github.com/s3share/s3share/fs/process"
)

// caller is the process that a request comes from; nil where it cannot be seen from here.
// Who is given it calls Release.
func (s *Server) caller(ctx context.Context) *process.Process {
	return s.processes.Of(callerTID(ctx))
}

// callerTID is the thread that a request comes from, as the kernel names it; 0
// stands for nobody that can be seen from here.
func callerTID(ctx context.Context) int {
	caller, ok := fuse.FromContext(ctx)
	if !ok {
		return 0
	}
	return int(caller.Pid)
}

// withCaller returns ctx for what p does.
func withCaller(ctx context.Context, p *process.Process) context.Context {
	if p == nil {
		return ctx
	}
	return cache.WithWriter(ctx, p)
}

const (
	// lookDeadline bounds a look into /proc while the process looked at waits for us. A
	// process in the midst of execve(2) closes files under a lock that some of /proc
	// takes as well: it goes on when it has our answer, and so does the look.
	lookDeadline = 100 * time.Millisecond
	// syncLookDeadline is for a mount on which the program waits for S3, and learns how
	// that ended: as many descriptors as it has are looked at.
	syncLookDeadline = 2 * time.Second
	// maxDescriptors is how many descriptors of a process are looked at while it waits:
	// with more, each close would take longer than all else, and closing many files as
	// long as the square of their number. Then each close may be the last.
	maxDescriptors = 64
)

// closing returns how p closes a descriptor of a file that opener has opened. A process that
// a signal is ending closes its files because it must, not because it is done. Where that
// cannot be seen in time, it says so: the release of the last one follows.
func (s *Server) closing(p, opener *process.Process, file process.File) cache.Closing {
	if p == nil {
		return cache.Closing{Last: opener == nil}
	}
	most, deadline := maxDescriptors, lookDeadline
	if s.cache.Syncs() {
		most, deadline = 0, syncLookDeadline
	}
	seen := make(chan cache.Closing, 1)
	p.Hold()
	go func() {
		defer p.Release()
		seen <- look(p, p == opener, file, most)
	}()
	t := time.NewTimer(deadline)
	defer t.Stop()
	select {
	case c := <-seen:
		return c
	case <-t.C:
		return cache.Closing{By: p, Unsure: p == opener}
	}
}

// look is closing without a deadline.
func look(p *process.Process, opened bool, file process.File, most int) cache.Closing {
	if !opened {
		return cache.Closing{By: p, Killed: p.Killed()}
	}
	open := p.Open(file, most)
	killed := open.None && p.Killed() // else it may have closed its last one itself
	return cache.Closing{By: p, Killed: killed, Last: !killed &&
		!open.File && !open.Many, Unsure: open.Many}
}
