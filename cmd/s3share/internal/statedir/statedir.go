// Package statedir keeps the files of a state directory that are not the outbox: the lock
// and who holds it ([Lock], [LockInfo]), which bucket the outbox is for ([Bind],
// [BucketID]), and the uploads that a check of permissions could not abort
// ([ReadLeftovers]). The daemon and s3share recover write them while they hold the lock.
// All other commands only read.
package statedir

import (
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/s3share/s3share/cache/privatedir"
)

// CheckPrivate returns an error if path is no directory, or if another user can change it: the
// files in it cannot be trusted then. Unlike privatedir.Open it changes nothing.
func CheckPrivate(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return unix.ENOTDIR
	}
	return privatedir.Check(path)
}

// ReadFile reads the file at path, at most 1 MiB of it. It follows no symbolic link at the
// end of path.
func ReadFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, 1<<20))
}
