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

// errnos maps each kind of failure to the errno that a program gets. What stands first
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
	{outbox.ErrSuspended, syscall.EAGAIN}, // until a person resumes them

	{s3backend.NoBucket, syscall.ENXIO},
	{s3backend.Denied, syscall.EACCES},
	{s3backend.WrongOwner, syscall.EACCES},
	{s3backend.BadLogin, syscall.EACCES},
	{s3backend.Stale, syscall.ESTALE}, // before NotExist: see handle.errnoFor
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

// errno returns what a program gets for err: one of errnos, or EIO.
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

// errnoFor returns the errno for err, and logs err if the errno does not say enough. Names that
// do not exist, or do, are not logged: programs probe for them all day.
func (s *Server) errnoFor(op, path string, err error) syscall.Errno {
	n := errno(err)
	switch n {
	case 0, syscall.ENOENT, syscall.EEXIST, syscall.ENOTEMPTY, syscall.EINTR, syscall.ENXIO,
		syscall.EISDIR, syscall.ENOTDIR, syscall.EINVAL:
	default:
		if s.shouldLog(op + " " + path + " " + n.Error()) {
			s.log.Warn(op+" failed", "path", path, "errno", n.Error(), "err", err)
		}
	}
	return n
}

// shouldLog reports whether to log a failure. It does not log the same one again within a second:
// a program that reads on, or a page fault, gets the same failure for every page.
func (s *Server) shouldLog(what string) bool {
	s.loggedMu.Lock()
	defer s.loggedMu.Unlock()
	if what == s.lastNews && time.Since(s.lastNewsAt) < time.Second {
		return false
	}
	s.lastNews, s.lastNewsAt = what, time.Now()
	return true
}
