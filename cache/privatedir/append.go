package privatedir

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Append opens a file for appending to it, wherever it lies: a log may be anywhere. A
// file that it makes is for this user alone. The error is an *UnsafeError for a file, a
// pipe or a symbolic link that another user has put there.
func Append(path string) (*os.File, error) {
	flag := os.O_WRONLY | os.O_CREATE | os.O_APPEND
	var st unix.Stat_t
	switch err := unix.Lstat(path, &st); {
	case errors.Is(err, unix.ENOENT):
		flag |= unix.O_NOFOLLOW
	case err != nil:
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	case !trusted(st.Uid):
		return nil, refuse(path, "belongs to %s", userName(st.Uid))
	case st.Mode&unix.S_IFMT != unix.S_IFLNK: // one of ours or of root's may lead elsewhere, like /dev/stderr
		flag |= unix.O_NOFOLLOW
	}
	f, err := os.OpenFile(path, flag, 0o600)
	if errors.Is(err, unix.ELOOP) {
		return nil, refuse(path, "has just become a symbolic link")
	}
	if err != nil {
		return nil, err
	}
	if err := unix.Fstat(int(f.Fd()), &st); err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG && !trusted(st.Uid) {
		f.Close()
		return nil, refuse(path, "belongs to %s", userName(st.Uid))
	}
	return f, nil
}
