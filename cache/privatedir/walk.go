package privatedir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// maxLinks is how many symbolic links a path may lead through.
// Source: path_resolution(7).
const maxLinks = 40

// walk goes down an absolute path and proves of each directory above its last element
// that only this user and root can exchange what is in it. It returns the path with
// its links resolved, and what of it is not there yet. The last element is not
// judged.
//
// Nobody else can change what was proved, so that what is opened afterwards by the
// resolved path is what was looked at.
func walk(path string) (real, rest string, err error) {
	at := "/"
	left := split(path)
	for links := 0; ; {
		if len(left) == 0 {
			return at, "", nil
		}
		if err := checkAbove(path, at); err != nil {
			return "", "", err
		}
		next := filepath.Join(at, left[0])
		var st unix.Stat_t
		switch err := unix.Lstat(next, &st); {
		case errors.Is(err, unix.ENOENT):
			return at, strings.Join(left, "/"), nil
		case err != nil:
			return "", "", &fs.PathError{Op: "stat", Path: next, Err: err}
		}
		if st.Mode&unix.S_IFMT != unix.S_IFLNK {
			at, left = next, left[1:]
			continue
		}
		if links++; links > maxLinks {
			return "", "", &fs.PathError{Op: "open", Path: path, Err: unix.ELOOP}
		}
		if !trusted(st.Uid) {
			return "", "", refuse(path,
				"leads through %s, a symbolic link of %s", next, userName(st.Uid))
		}
		to, err := os.Readlink(next)
		if err != nil {
			return "", "", err
		}
		if filepath.IsAbs(to) {
			at = "/"
		}
		left = append(split(to), left[1:]...)
	}
}

// split are the elements of a path. A ".." stays: the walk goes up by it, as the
// kernel does, from where a link has led.
func split(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}

// checkAbove refuses a directory on the way to path in which another user can
// exchange entries. In a sticky directory, as /tmp is, everybody can exchange their
// own alone.
func checkAbove(path, dir string) error {
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return &fs.PathError{Op: "stat", Path: dir, Err: err}
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFDIR:
		return &fs.PathError{Op: "open", Path: dir, Err: unix.ENOTDIR}
	case !trusted(st.Uid):
		return refuse(path, "lies in %s, which belongs to %s", dir, userName(st.Uid))
	case st.Mode&unix.S_ISVTX == 0 && writableByOthers(&st):
		return refuse(path,
			"lies in %s, which others can write to (mode %04o)", dir, st.Mode&0o7777)
	}
	return nil
}

// checkOwn refuses a directory that is not this user's, or that others can write to:
// what is in it may be theirs.
func checkOwn(path string, st *unix.Stat_t) error {
	switch {
	case int(st.Uid) != os.Geteuid():
		return refuse(path, "belongs to %s", userName(st.Uid))
	case writableByOthers(st):
		return refuse(path, "can be written to by others (mode %04o)", st.Mode&0o7777)
	}
	return nil
}

// writableByOthers reports whether anybody but this user and root may write to what
// st is of. The group that a user's own files get is taken for the user alone, as on
// systems where a umask of 002 is usual.
func writableByOthers(st *unix.Stat_t) bool {
	ownGroup := st.Gid == 0 || int(st.Gid) == os.Getegid()
	return st.Mode&0o002 != 0 || st.Mode&0o020 != 0 && !ownGroup
}

// trusted reports whether a user may make directories for us: root, and whoever runs
// this. In a user namespace those who have no place in it, root of the machine among
// them, are all one.
func trusted(uid uint32) bool {
	return uid == 0 || int(uid) == os.Geteuid() || uid == overflowUID && !mapped(uid)
}
