package privatedir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Append opens a file for appending to it, wherever it lies: a log may be anywhere, also in a
// directory that others can write to. A file that it makes is for this user alone. The error
// is an *UnsafeError for a file, a pipe or a symbolic link that another user has put there,
// and for a path that leads through another user's directory or link.
func Append(path string) (*os.File, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	dir, missing, err := walk(filepath.Dir(abs))
	if err != nil {
		return nil, err
	}
	if missing != "" {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	flag := os.O_WRONLY | os.O_CREATE | os.O_APPEND
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return nil, &fs.PathError{Op: "stat", Path: dir, Err: err}
	}
	if !trusted(st.Uid) {
		return nil, refuse(path, "lies in %s, which belongs to %s", dir, userName(st.Uid))
	}
	path = filepath.Join(dir, filepath.Base(abs))
	switch err := unix.Lstat(path, &st); {
	case errors.Is(err, unix.ENOENT):
		flag |= unix.O_NOFOLLOW
	case err != nil:
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	case !trusted(st.Uid):
		return nil, refuse(path, "belongs to %s", userName(st.Uid))
	// A link of ours or of root's may lead elsewhere, like /dev/stderr.
	case st.Mode&unix.S_IFMT != unix.S_IFLNK:
		flag |= unix.O_NOFOLLOW
	}
	f, err := os.OpenFile(path, flag, 0o600)
	if errors.Is(err, unix.ELOOP) {
		return nil, refuse(path, "has just become a symbolic link")
	}
	if err != nil {
		return nil, err
	}
	if err := unix.Fstat(int(f.Fd()), &st); err == nil &&
		st.Mode&unix.S_IFMT == unix.S_IFREG && !trusted(st.Uid) {
		f.Close()
		return nil, refuse(path, "belongs to %s", userName(st.Uid))
	}
	return f, nil
}
