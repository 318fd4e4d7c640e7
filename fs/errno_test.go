package fs

import (
	"context"
	"fmt"
	"io"
	"os"
	"syscall"
	"testing"

	"github.com/s3share/s3share/cache"
	"github.com/s3share/s3share/s3backend"
)

func TestErrno(t *testing.T) {
	for _, c := range []struct {
		err  error
		want syscall.Errno
	}{
		{nil, 0},
		{io.EOF, 0},
		{&s3backend.Error{Kind: s3backend.NotExist}, syscall.ENOENT},
		{&s3backend.Error{Kind: s3backend.NoBucket}, syscall.ENXIO},
		{&s3backend.Error{Kind: s3backend.Denied}, syscall.EACCES},
		{&s3backend.Error{Kind: s3backend.WrongOwner}, syscall.EACCES},
		{&s3backend.Error{Kind: s3backend.BadLogin}, syscall.EACCES},
		{&s3backend.Error{Kind: s3backend.Stale}, syscall.ESTALE},
		{&s3backend.Error{Kind: s3backend.TooLarge}, syscall.EFBIG},
		{&s3backend.Error{Kind: s3backend.Busy}, syscall.EIO},
		{&s3backend.Error{Kind: s3backend.Other, Err: syscall.ECONNREFUSED}, syscall.EIO},
		{fmt.Errorf("dial: %w", syscall.ECONNREFUSED), syscall.EIO}, // never the network's errno
		{fmt.Errorf("reading: %w", context.Canceled), syscall.EINTR},
		{context.DeadlineExceeded, syscall.ETIMEDOUT},
		{&os.PathError{Op: "write", Err: syscall.ENOSPC}, syscall.ENOSPC},
		{cache.ErrNotHere, syscall.EPERM},
		{fmt.Errorf("%w: 2000 bytes", cache.ErrNameTooLong), syscall.ENAMETOOLONG},
		{fmt.Errorf("anything else"), syscall.EIO},
	} {
		if got := errno(c.err); got != c.want {
			t.Errorf("errno(%v) = %v, want %v", c.err, got, c.want)
		}
	}
}
