package process

import "sync"

// Table holds the processes that somebody uses.
type Table struct {
	max int // pidfds at once

	// mu guards the fields below.
	mu        sync.Mutex
	processes map[int]*Process // by number
	fds       int
}

// NewTable returns an empty table.
func NewTable() *Table { return &Table{max: maxFDs(), processes: map[int]*Process{}} }

// Of returns the process of a thread that waits for us, or nil where that is not known: 0
// is a thread of another PID namespace. The caller calls Release.
func (t *Table) Of(tid int) *Process {
	if tid == 0 {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.holdLocked(tid); p != nil {
		return p
	}
	fd, err := openFD(tid)
	if err == nil {
		return t.addLocked(tid, fd)
	}
	pid := leaderOf(tid)
	if p := t.holdLocked(pid); p != nil {
		return p
	}
	if fd, err = openFD(pid); err != nil {
		fd = noFD
	}
	return t.addLocked(pid, fd)
}

// holdLocked holds the process of this number if it is in the table.
func (t *Table) holdLocked(pid int) *Process {
	p := t.processes[pid]
	if p == nil || p.Gone() {
		return nil
	}
	p.refs++
	return p
}

// addLocked adds a process. Above max pidfds it does without its own.
func (t *Table) addLocked(pid, fd int) *Process {
	if fd != noFD && t.fds >= t.max {
		closeFD(fd)
		fd = noFD
	}
	if fd != noFD {
		t.fds++
	}
	p := &Process{pid: pid, table: t, refs: 1, fd: fd}
	t.processes[pid] = p
	return p
}
