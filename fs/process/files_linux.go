package process

import (
	"bytes"
	"io"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// File is a file of the mount, as the kernel knows it.
type File struct {
	Name   string // the last element of its path
	Ino    uint64
	Device string // of the mount, as mountinfo has it; "" for not known
}

// Open is what a process has open.
type Open struct {
	None bool // nothing at all: the kernel takes all off a process before it closes them
	File bool // the file, for writing
	Many bool // more descriptors than were to be looked at
}

// Open looks for a descriptor of f that can write, among max descriptors of the process at
// most; 0 is for all.
func (p *Process) Open(f File, max int) Open {
	l := &lastList
	if !l.mu.TryLock() {
		l = &list{}
		l.mu.Lock()
		defer l.close()
	}
	defer l.mu.Unlock()
	if l.pid == p.pid {
		// That of a process which is gone is an error, also where another has its
		// number by now.
		if o, err := l.find(f, max); err == nil {
			return o
		}
	}
	l.close()
	if err := l.open(p.pid); err != nil {
		return Open{None: true}
	}
	o, err := l.find(f, max)
	o.None = o.None || err != nil
	return o
}

// list is the list of a process's descriptors, kept open.
type list struct {
	// mu guards the fields below, and the position in the list.
	mu  sync.Mutex
	pid int // 0 for none
	dir int
	// What find reads into: on the stack of a goroutine that is made for one look they
	// would have it grow each time.
	entries, link [4 << 10]byte
	names         []string
}

// lastList is of the process that was looked at last: a program that writes one file
// writes many, and to open its list takes longer than to read it.
var lastList list

func (l *list) open(pid int) (err error) {
	if l.dir, err = open("/proc/" + strconv.Itoa(pid) + "/fd"); err == nil {
		l.pid = pid
	}
	return err
}

func (l *list) close() {
	if l.pid != 0 {
		unix.Close(l.dir)
		l.pid = 0
	}
}

// find is Process.Open in the list.
func (l *list) find(f File, max int) (Open, error) {
	var st unix.Stat_t
	if err := unix.Fstat(l.dir, &st); err != nil {
		return Open{}, err
	}
	if max > 0 && st.Size > int64(max) { // how many there are, since Linux 6.2
		return Open{Many: true}, nil
	}
	if _, err := unix.Seek(l.dir, 0, io.SeekStart); err != nil {
		return Open{}, err
	}
	for seen := 0; ; {
		n, err := uninterrupted(func() (int, error) { return unix.ReadDirent(l.dir, l.entries[:]) })
		if err != nil || n == 0 {
			return Open{None: seen == 0}, err
		}
		_, _, l.names = unix.ParseDirent(l.entries[:n], -1, l.names[:0])
		for _, fd := range l.names {
			if seen++; max > 0 && seen > max {
				return Open{Many: true}, nil
			}
			if l.is(fd, f) {
				return Open{File: true}, nil
			}
		}
	}
}

// is reports whether a descriptor is of the file, and can write. Its path decides nothing,
// since the same names may be elsewhere; but one with another last element is not of it,
// and to read a link takes a fifth of the time of the rest.
func (l *list) is(fd string, f File) bool {
	if n, err := unix.Readlinkat(l.dir, fd, l.link[:]); err == nil && n < len(l.link) &&
		!endsIn(l.link[:n], f.Name) {
		return false
	}
	info, err := readProc(l.pid, "fdinfo/"+fd)
	if err != nil {
		return false // closed meanwhile
	}
	d := parseFDInfo(info)
	switch {
	case !d.writes, d.ino != 0 && d.ino != f.Ino: // since Linux 5.14
		return false
	case f.Device == "":
		return true
	}
	device := deviceOf(l.pid, d.mount)
	return device == "" || device == f.Device
}

// endsIn reports whether the last element of a link in /proc/PID/fd is this name, of a file
// that was removed, too.
func endsIn(link []byte, name string) bool {
	return isLast(link, name) || isLast(bytes.TrimSuffix(link, []byte(" (deleted)")), name)
}

func isLast(path []byte, name string) bool {
	i := len(path) - len(name) - 1
	return i >= 0 && path[i] == '/' && string(path[i+1:]) == name
}

// fdInfo is what the kernel shows of a descriptor.
type fdInfo struct {
	writes bool
	mount  string // its id
	ino    uint64 // 0 if the kernel does not show it
}

// parseFDInfo reads /proc/PID/fdinfo/FD. Source: proc_pid_fdinfo(5).
func parseFDInfo(info string) (d fdInfo) {
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		value = strings.TrimSpace(value)
		switch name {
		case "flags":
			flags, err := strconv.ParseUint(value, 8, 64)
			d.writes = err != nil || flags&unix.O_ACCMODE != unix.O_RDONLY
		case "mnt_id":
			d.mount = value
		case "ino":
			d.ino, _ = strconv.ParseUint(value, 10, 64)
		}
	}
	return d
}
