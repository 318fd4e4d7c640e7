package fs

import (
	"bytes"
	"io"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// What follows looks into /proc at each close of a file that was written, while the
// program waits: by plain system calls, for package os makes three times as many.

// statSize is more than /proc/PID/stat ever has, in bytes: 52 numbers and a name of 15.
const statSize = 2 << 10

// openProc opens what /proc tells of a thread under that name.
func openProc(tid int, name string) (fd int, err error) {
	path := "/proc/" + strconv.Itoa(tid) + "/" + name
	return uninterrupted(func() (int, error) { return unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0) })
}

// uninterrupted makes a system call until no signal, as the runtime sends itself, has
// cut it short.
func uninterrupted(call func() (int, error)) (n int, err error) {
	for {
		if n, err = call(); err != unix.EINTR {
			return n, err
		}
	}
}

// statOf returns /proc/PID/stat of a thread.
func statOf(tid int) (string, error) {
	fd, err := openProc(tid, "stat")
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	var b [statSize]byte
	n, err := uninterrupted(func() (int, error) { return unix.Read(fd, b[:]) })
	if err != nil {
		return "", err
	}
	return string(b[:n]), nil
}

// fdList is the list of a thread's descriptors, kept open.
type fdList struct {
	// mu guards the fields below, and the position in the list.
	mu  sync.Mutex
	tid int // 0 for none
	dir int
	// What find reads into: on the stack of a goroutine that is made for one look they
	// would have it grow each time.
	entries, link [4 << 10]byte
	names         []string
}

// lastList is of the thread that was looked at last: a program that writes one file
// writes many, and to open its list takes longer than to read it.
var lastList fdList

// hasOpen tells whether a thread's process has a descriptor of the file at path, below
// whatever mountpoint: to ask which would lead back here. It has some descriptor as
// long as it is not being ended: the kernel takes all off it before it closes them.
func hasOpen(tid int, path string) (this, some bool) {
	l := &lastList
	if !l.mu.TryLock() {
		l = &fdList{}
		l.mu.Lock()
		defer l.close()
	}
	defer l.mu.Unlock()
	if l.tid == tid {
		// That of a process which is gone is an error, also where another has its
		// number by now.
		if this, some, err := l.find(path); err == nil {
			return this, some
		}
	}
	l.close()
	if err := l.open(tid); err != nil {
		return false, false
	}
	this, some, _ = l.find(path)
	return this, some
}

func (l *fdList) open(tid int) (err error) {
	if l.dir, err = openProc(tid, "fd"); err == nil {
		l.tid = tid
	}
	return err
}

func (l *fdList) close() {
	if l.tid != 0 {
		unix.Close(l.dir)
		l.tid = 0
	}
}

// find is hasOpen in the list.
func (l *fdList) find(path string) (this, some bool, err error) {
	if _, err := unix.Seek(l.dir, 0, io.SeekStart); err != nil {
		return false, false, err
	}
	end := []byte("/" + path)
	for {
		n, err := uninterrupted(func() (int, error) { return unix.ReadDirent(l.dir, l.entries[:]) })
		if err != nil || n == 0 {
			return false, some, err
		}
		_, _, l.names = unix.ParseDirent(l.entries[:n], -1, l.names[:0])
		for _, name := range l.names {
			some = true
			if n, err := unix.Readlinkat(l.dir, name, l.link[:]); err == nil && bytes.HasSuffix(l.link[:n], end) {
				return true, true, nil
			}
		}
	}
}
