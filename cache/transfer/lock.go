package transfer

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// errLocked is returned where another process has the file.
var errLocked = errors.New("another process has it")

// openLocked opens a file for this process alone, until it is closed. open opens it, or
// makes it; lstat finds what has its name. Whoever had the lock before may have renamed or
// removed the file, or given it a second name: then it is opened anew.
func openLocked(open func() (*os.File, error),
	lstat func() (os.FileInfo, error)) (*os.File, error) {
	for range 10 {
		f, err := open()
		if err != nil {
			return nil, err
		}
		mine, named, err := lockNamed(f, lstat)
		if named && links(mine) == 1 {
			return f, nil
		}
		_ = f.Close()
		if err != nil {
			return nil, err
		}
	}
	return nil, errLocked
}

// lockNamed locks an open file for this process alone, until it is closed, and reports whether it
// still has its name, of which lstat finds what has it. The error is errLocked if another process
// has the lock.
func lockNamed(f *os.File,
	lstat func() (os.FileInfo, error)) (mine os.FileInfo, named bool, err error) {
	if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		return nil, false, errLocked
	}
	mine, err = f.Stat()
	there, lerr := lstat()
	if err != nil || lerr != nil && !errors.Is(lerr, fs.ErrNotExist) {
		return nil, false, errors.Join(err, lerr)
	}
	return mine, lerr == nil && os.SameFile(mine, there), nil
}

// links is how many names a file has.
func links(st os.FileInfo) uint64 {
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		return uint64(sys.Nlink)
	}
	return 0
}
