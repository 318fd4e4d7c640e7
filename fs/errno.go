package fs

import (
	"context"
	"errors"
	"io"
	"syscall"
	"time"

	"github.com/s3share/s3share/cache"
	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/s3backend"
)

// errnos maps each kind of failure to what a program is told. What stands first
// counts where an error is of several kinds.
var errnos = []struct {
	err   error
	errno syscall.Errno
}{
	{cache.ErrExist, syscall.EEXIST},
	{cache.ErrNotEmpty, syscall.ENOTEMPTY},
	{cache.ErrIsDir, syscall.EISDIR},
	{cache.ErrNotDir, syscall.ENOTDIR},
	{cache.ErrNameTooLong, syscall.ENAMETOOLONG},
	{cache.ErrNotUTF8, syscall.EILSEQ},
	{cache.ErrNotHere, syscall.EPERM},
	{cache.ErrReadOnly, syscall.EROFS},
	{cache.ErrInvalid, syscall.EINVAL},
	{cache.ErrPrivate, syscall.EXDEV},

	{s3backend.NoBucket, syscall.ENXIO},
	{s3backend.Denied, syscall.EACCES},
	{s3backend.WrongOwner, syscall.EACCES},
	{s3backend.BadLogin, syscall.EACCES},
	{s3backend.Stale, syscall.ESTALE}, // before NotExist: see handle.told
	{s3backend.NotExist, syscall.ENOENT},
	{s3backend.Archived, syscall.EACCES},
	{s3backend.CustomerKey, syscall.EACCES},
	{s3backend.TooLarge, syscall.EFBIG},
	{s3backend.Busy, syscall.EIO},
	{s3backend.OtherPart, syscall.EIO},
	{s3backend.Refused, syscall.EIO},
	{s3backend.Corrupted, syscall.EIO},
	{s3backend.Other, syscall.EIO}, // never the network's own errno

	{context.Canceled, syscall.EINTR},
	{context.DeadlineExceeded, syscall.ETIMEDOUT},
	{outbox.ErrGone, syscall.ESTALE},

	// Of the local disk, under the outbox.
	{syscall.ENOSPC, syscall.ENOSPC},
	{syscall.EDQUOT, syscall.EDQUOT},
	{syscall.EFBIG, syscall.EFBIG},
	{syscall.EROFS, syscall.EROFS},
	{syscall.ENXIO, syscall.ENXIO}, // SEEK_DATA behind the end
}

// errno is what a program is told of err: one of errnos, or EIO.
func errno(err error) syscall.Errno {
	if err == nil || err == io.EOF {
		return 0
	}
	for _, e := range errnos {
		if errors.Is(err, e.err) {
			return e.errno
		}
	}
	return syscall.EIO
}

// told logs what an errno cannot say, and returns the errno. A name that does not
// exist, or does, is what programs ask all day.
func (s *Server) told(op, path string, err error) syscall.Errno {
	n := errno(err)
	switch n {
	case 0, syscall.ENOENT, syscall.EEXIST, syscall.ENOTEMPTY, syscall.EINTR, syscall.ENXIO, syscall.EISDIR, syscall.ENOTDIR, syscall.EINVAL:
	default:
		if s.news(op + " " + path + " " + n.Error()) {
			s.log.Warn(op+" failed", "path", path, "errno", n.Error(), "err", err)
		}
	}
	return n
}

// news reports whether to log what failed: not once more within a second, since a
// program that reads on, or a page fault, meets the same failure for every page.
func (s *Server) news(what string) bool {
	s.newsMu.Lock()
	defer s.newsMu.Unlock()
	if what == s.lastNews && time.Since(s.lastNewsAt) < time.Second {
		return false
	}
	s.lastNews, s.lastNewsAt = what, time.Now()
	return true
}
