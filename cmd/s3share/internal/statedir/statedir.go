// Package statedir is what the program itself keeps in a state directory beside the outbox:
// the lock, with who holds it ([LockState], [Tenant]); which bucket the outbox belongs to
// ([ClaimState]); and the uploads that a check of permissions left ([ReadLeft]). The
// daemon and s3share recover write them under the lock; everybody else only reads.
package statedir

import (
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/s3share/s3share/cache/privatedir"
)

// OwnDirectory reports why what lies in a directory is not to be believed: because it is
// none, or another user can change it. Unlike privatedir.Open it changes nothing.
func OwnDirectory(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return unix.ENOTDIR
	}
	return privatedir.Check(path)
}

// ReadFile reads a small file, and follows no link.
func ReadFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, 1<<20))
}
