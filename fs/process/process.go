// Package process finds out how the processes that change files on a mount end, and what
// they still have open.
//
// FUSE names the thread that a request comes from. [Table.Of] finds its process, and holds
// on to it by a pidfd: so [Process.Killed] can report how it ended after its parent has
// waited for it, and another process that gets its number is not taken for it. All who
// ask about one process share one pidfd.
//
// Where a kernel or a platform does not show something, a process counts as one that goes
// on, and has nothing open.
package process

import (
	"strconv"
	"strings"
	"sync"
)

// Process is a process that was seen. Two that are in use are the same process if they are
// equal. The methods may be called by any goroutine.
type Process struct {
	pid   int
	table *Table
	refs  int // guarded by table.mu
	fd    int // a pidfd, or noFD; it is closed with the last use

	// mu guards the fields below. It is not held while /proc is looked at.
	mu     sync.Mutex
	ended  bool // how is known
	killed bool
}

// noFD stands for a pidfd that cannot be had, or is not needed any more.
const noFD = -1

// Killed reports whether a signal has ended the process, or is ending it. The caller has
// a use of the process.
func (p *Process) Killed() bool {
	p.mu.Lock()
	ended, killed := p.ended, p.killed
	p.mu.Unlock()
	if ended {
		return killed
	}
	code, ended := p.exit()
	if !ended {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended, p.killed = true, signaled(code)
	return p.killed
}

// exit is how the process ended, in the form of wait(2), if that is known.
func (p *Process) exit() (code int, ok bool) {
	if code, ok = howEnded(p.fd); ok {
		return code, true
	}
	// It has not been waited for yet, or the kernel keeps no more than that. Of a process
	// whose first thread has ended before the others it is what this thread returned.
	if code, ok = exitCode(p.pid); ok && (signaled(code) || p.fd == noFD || hasEnded(p.fd)) {
		return code, true
	}
	return howEnded(p.fd) // it was waited for in between
}

// Gone reports whether another process may have the number by now. The caller has a use
// of the process.
func (p *Process) Gone() bool {
	return p.fd != noFD && hasEnded(p.fd)
}

// Hold begins one more use of the process. Like Release it does nothing to nil.
func (p *Process) Hold() {
	if p == nil {
		return
	}
	p.table.mu.Lock()
	defer p.table.mu.Unlock()
	p.refs++
}

// Release ends a use that began with Hold or Table.Of.
func (p *Process) Release() {
	if p == nil {
		return
	}
	t := p.table
	t.mu.Lock()
	defer t.mu.Unlock()
	if p.refs--; p.refs > 0 {
		return
	}
	if t.processes[p.pid] == p {
		delete(t.processes, p.pid)
	}
	if p.fd != noFD {
		closeFD(p.fd)
		t.fds--
	}
}

// signaled reports whether an exit code, in the form of wait(2), is that of a signal.
func signaled(code int) bool { return code&0x7f != 0 }

// pfExiting is set in a process's flags while it ends.
// Source: linux/sched.h, PF_EXITING.
const pfExiting = 0x4

// exitCodeIn reads /proc/PID/stat: the ninth field holds the flags, the last the exit code
// in the form of wait(2). ok is false for a process that is not ending.
// Source: proc_pid_stat(5).
func exitCodeIn(stat string) (code int, ok bool) {
	rest := stat[strings.LastIndex(stat, ") ")+1:] // the name, in brackets, may hold anything
	fields := strings.Fields(rest)                 // from the third on
	if len(fields) < 50 {
		return 0, false
	}
	flags, err := strconv.ParseUint(fields[6], 10, 64)
	if err != nil || flags&pfExiting == 0 {
		return 0, false
	}
	code, err = strconv.Atoi(fields[49])
	return code, err == nil
}
