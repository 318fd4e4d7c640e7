package transfer

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

var errFetching = errors.New("another s3share fetches it into this directory")

// claim opens a temporary file for this process alone, until it is closed, or makes it. The error
// is errFetching if another process has it. What else has the name is removed: a file that others
// may write to, that has a second name, or is another user's, and links, since a root follows
// those that stay in it.
//
// Nothing is removed that a process of this user has claimed: that one would give its final name
// to the file that has taken the place of its own.
func claim(dir *os.Root, name string) (*os.File, error) {
	for range 10 {
		f, err := openThere(dir, name)
		if err != nil {
			return nil, err
		}
		mine, named, err := lockNamed(f, func() (os.FileInfo, error) { return dir.Lstat(name) })
		if named && isOwn(mine) {
			return f, nil
		}
		if named {
			err = remove(dir, name)
		} // else whoever had it before has renamed or removed it since it was opened
		_ = f.Close()
		if errors.Is(err, errLocked) {
			return nil, errFetching
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, errFetching
}

// openThere opens the regular file that has a name, whatever its mode, or makes one. What cannot
// be opened as such is removed.
func openThere(dir *os.Root, name string) (*os.File, error) {
	for range 3 {
		named, err := dir.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			f, err := dir.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL|noFollow, 0o600)
			if errors.Is(err, fs.ErrExist) {
				continue
			}
			return f, err
		}
		if err != nil {
			return nil, err
		}
		if named.Mode().IsRegular() {
			if f, err := dir.OpenFile(name, os.O_RDWR|noFollow, 0); err == nil {
				return f, nil
			}
		}
		if err := remove(dir, name); err != nil {
			return nil, err
		}
	}
	return nil, fs.ErrExist
}

// openOwn is [claim] for a file that belongs to a claimed one: no other process looks at it.
func openOwn(dir *os.Root, name string) (*os.File, error) {
	for range 3 {
		f, err := openThere(dir, name)
		if err != nil {
			return nil, err
		}
		if st, err := f.Stat(); err == nil && isOwn(st) {
			return f, nil
		}
		_ = f.Close()
		if err := remove(dir, name); err != nil {
			return nil, err
		}
	}
	return nil, fs.ErrExist
}

// isOwn reports whether a file is a regular one of this user's alone, and has one name.
func isOwn(st os.FileInfo) bool {
	sys, ok := st.Sys().(*syscall.Stat_t)
	return ok && int(sys.Uid) == os.Geteuid() && st.Mode().IsRegular() &&
		st.Mode().Perm()&0o077 == 0 && links(st) == 1
}

// remove removes a name that may be gone already.
func remove(dir *os.Root, name string) error {
	if err := dir.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
