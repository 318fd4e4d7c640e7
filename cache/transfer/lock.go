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
func openLocked(open func() (*os.File, error), lstat func() (os.FileInfo, error)) (*os.File, error) {
	for range 10 {
		f, err := open()
		if err != nil {
			return nil, err
		}
		if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
			_ = f.Close()
			return nil, errLocked
		}
		mine, err := f.Stat()
		there, lerr := lstat()
		if err == nil && lerr == nil && os.SameFile(mine, there) && links(mine) == 1 {
			return f, nil
		}
		_ = f.Close()
		if err != nil || lerr != nil && !errors.Is(lerr, fs.ErrNotExist) {
			return nil, errors.Join(err, lerr)
		}
	}
	return nil, errLocked
}

// links is how many names a file has.
func links(st os.FileInfo) uint64 {
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		return uint64(sys.Nlink)
	}
	return 0
}
