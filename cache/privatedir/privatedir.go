// Package privatedir keeps directories and files from other users of the machine.
//
// What a daemon keeps (the outbox, the cache, its lock, its socket) is read again and
// acted upon: a journal names what is sent to S3. So it must not be another user's
// work. [OpenOrCreate] and [Open] accept a directory only if it is this user's alone: it
// belongs to the effective user, nobody else can write to it, and nobody else can put
// another one in its place, which is up to the directories above it. The result is a
// [Dir], by which files are opened without following symbolic links, and replaced
// whole. Check says the same of a directory without opening it.
//
// Root is trusted, and so is whoever runs the program.
package privatedir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// UnsafeError says why a directory or file cannot be trusted.
type UnsafeError struct {
	Path string
	Why  string // completes "Path ..."
}

func (e *UnsafeError) Error() string { return e.Path + " " + e.Why }

func refuse(path, format string, args ...any) error {
	return &UnsafeError{path, fmt.Sprintf(format, args...)}
}

// Dir is a directory that is this user's alone. It is safe for concurrent use.
type Dir struct {
	path string
	f    *os.File
}

// OpenOrCreate is Open for a directory that is created if it is not there, with the
// directories above it.
func OpenOrCreate(path string) (*Dir, error) {
	if err := Check(path); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	return Open(path)
}

// Open opens a directory that is there. Permissions of others to read or enter it
// are taken away. The error is an *UnsafeError where another user has, or had, a way
// into it.
func Open(path string) (*Dir, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	real, rest, err := walk(path)
	if err != nil {
		return nil, err
	}
	if rest != "" {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	fd, err := unix.Open(real, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	d := &Dir{path, os.NewFile(uintptr(fd), path)}
	if err := d.secure(); err != nil {
		d.f.Close()
		return nil, err
	}
	return d, nil
}

// secure checks the open directory itself, and closes it to others.
func (d *Dir) secure() error {
	var st unix.Stat_t
	if err := unix.Fstat(int(d.f.Fd()), &st); err != nil {
		return &fs.PathError{Op: "stat", Path: d.path, Err: err}
	}
	if err := checkOwn(d.path, &st); err != nil {
		return err
	}
	if st.Mode&0o077 == 0 {
		return nil
	}
	if err := unix.Fchmod(int(d.f.Fd()), 0o700); err != nil {
		return refuse(d.path, "can be read by others (mode %04o), and cannot be closed to them: %v",
			st.Mode&0o7777, err)
	}
	return nil
}

// Check reports why path cannot be opened or made as a private directory, nil if it
// can, as far as owners and modes tell. It changes nothing.
func Check(path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	real, rest, err := walk(path)
	if err != nil || rest != "" {
		return err
	}
	var st unix.Stat_t
	if err := unix.Lstat(real, &st); err != nil {
		return &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return &fs.PathError{Op: "open", Path: path, Err: unix.ENOTDIR}
	}
	return checkOwn(path, &st)
}

// CheckFile reports why what path holds may be another user's words, nil if it may not:
// nobody but this user and root can write to the file, or put another in its place. The
// error is fs.ErrNotExist where there is none, and nobody else can put one there.
func CheckFile(path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	real, rest, err := walk(path)
	if err != nil {
		return err
	}
	var st unix.Stat_t
	switch err := unix.Lstat(real, &st); {
	case rest != "" || err != nil:
		return &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	case !trusted(st.Uid):
		return refuse(path, "belongs to %s", userName(st.Uid))
	case writableByOthers(&st):
		return refuse(path, "can be written to by others (mode %04o)", st.Mode&0o7777)
	case st.Mode&unix.S_IFMT != unix.S_IFREG: // reading a pipe would wait for its other end
		return refuse(path, "is not a regular file")
	}
	return nil
}

// Path is the directory's absolute path, as it was named.
func (d *Dir) Path() string { return d.path }

// Close closes the directory. Files that were opened in it stay open.
func (d *Dir) Close() error { return d.f.Close() }

// OpenFile opens a regular file of this user in the directory, by the flags of
// os.OpenFile. A file that it makes is for this user alone. The error is an
// *UnsafeError for a symbolic link, for anything but a regular file, and for a file
// of another user.
func (d *Dir) OpenFile(name string, flag int) (*os.File, error) {
	path := filepath.Join(d.path, name)
	if !filepath.IsLocal(name) || filepath.Base(name) != name {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrInvalid}
	}
	// Without O_NONBLOCK the open of a named pipe would wait for its other end.
	truncate := flag & os.O_TRUNC
	fd, err := unix.Openat(int(d.f.Fd()),
		name, flag&^os.O_TRUNC|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
	switch {
	case errors.Is(err, unix.ELOOP):
		return nil, refuse(path, "is a symbolic link")
	case err != nil:
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	if err := checkFile(path, fd); err != nil {
		f.Close()
		return nil, err
	}
	if truncate != 0 {
		if err := f.Truncate(0); err != nil {
			f.Close()
			return nil, err
		}
	}
	return f, nil
}

// checkFile accepts a regular file of this user.
func checkFile(path string, fd int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return refuse(path, "is not a regular file")
	case int(st.Uid) != os.Geteuid():
		return refuse(path, "belongs to %s", userName(st.Uid))
	}
	return nil
}

// ReadFile returns what a file in the directory holds, opened as by OpenFile.
func (d *Dir) ReadFile(name string) ([]byte, error) {
	f, err := d.OpenFile(name, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// WriteFile puts data into the file called name: afterwards, and after a crash of the
// machine, it holds what it held before, or all of data. What had the name before is
// replaced, not written to.
func (d *Dir) WriteFile(name string, data []byte) error {
	// The temporary file gets a random name, and is made with O_EXCL.
	if err := renameio.WriteFile(filepath.Join(d.path, name),
		data, 0o600, renameio.WithTempDir(d.path), renameio.IgnoreUmask()); err != nil {
		return err
	}
	return d.f.Sync()
}

// Remove removes a file, or the link that has its name.
func (d *Dir) Remove(name string) error {
	if err := unix.Unlinkat(int(d.f.Fd()), name, 0); err != nil {
		return &fs.PathError{Op: "remove", Path: filepath.Join(d.path, name), Err: err}
	}
	return nil
}

func userName(uid uint32) string {
	if uid == 0 {
		return "root"
	}
	return "another user (uid " + strconv.FormatUint(uint64(uid), 10) + ")"
}
