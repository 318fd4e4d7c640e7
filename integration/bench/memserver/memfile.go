package memserver

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// minSendfile is the length from which a sendfile is cheaper than a copy: below
// it, to open the file costs more.
const minSendfile = 64 << 10

// memfile is a file in memory that nobody changes any more.
type memfile struct {
	path string // by which each sender opens it, to have an offset of its own
	size int64

	// mu guards hashes, which holds those of the whole by algorithm.
	mu     sync.Mutex
	hashes map[string]string
}

// newMemfile makes a file of size bytes and maps it, to be filled. File and
// mapping stay until the process ends.
func newMemfile(size int64) (*memfile, []byte, error) {
	fd, err := unix.MemfdCreate("memserver", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, nil, os.NewSyscallError("memfd_create", err)
	}
	if err := unix.Ftruncate(fd, size); err != nil {
		return nil, nil, errors.Join(os.NewSyscallError("ftruncate", err), unix.Close(fd))
	}
	b, err := unix.Mmap(fd, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, nil, errors.Join(os.NewSyscallError("mmap", err), unix.Close(fd))
	}
	return &memfile{path: fmt.Sprintf("/proc/self/fd/%d", fd),
		size: size, hashes: make(map[string]string)}, b, nil
}

// send sends n bytes from off on.
func (m *memfile) send(w io.ReaderFrom, off, n int64) (int64, error) {
	f, err := os.Open(m.path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if _, err := f.Seek(off, io.SeekStart); err != nil {
		return 0, err
	}
	return w.ReadFrom(&io.LimitedReader{R: f, N: n})
}
