package fs

import (
	"context"
	"strings"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
)

// xattrs are what a file tells of itself; they cannot be set.
const (
	xattrPrefix = "user.s3share."
	xattrKey    = xattrPrefix + "key"     // its key in the bucket
	xattrETag   = xattrPrefix + "etag"    // of the version that S3 holds
	xattrState  = xattrPrefix + "state"   // where it is on its way: see outbox.State
	xattrVers   = xattrPrefix + "version" // S3's version id, where the bucket keeps versions
)

func (f *file) Getxattr(ctx context.Context, name string, dest []byte) (uint32, syscall.Errno) {
	if !strings.HasPrefix(name, xattrPrefix) {
		return 0, fusefs.ENOATTR
	}
	a, err := f.attr(ctx, nil)
	if err != nil {
		return 0, f.s.told("getxattr", f.path(), err)
	}
	var value string
	switch name {
	case xattrKey:
		value = a.Key
	case xattrETag:
		value = a.ETag
	case xattrState:
		value = f.s.cache.State(a)
	case xattrVers:
		if value, err = f.s.cache.Version(ctx, a); err != nil {
			return 0, f.s.told("getxattr", f.path(), err)
		}
	}
	if value == "" {
		return 0, fusefs.ENOATTR
	}
	return answer(dest, value)
}

// Listxattr names what every file has: not the version, for which S3 would have to
// be asked.
func (f *file) Listxattr(ctx context.Context, dest []byte) (uint32, syscall.Errno) {
	names := []string{xattrKey, xattrState}
	if a, err := f.attr(ctx, nil); err == nil && a.ETag != "" {
		names = append(names, xattrETag)
	}
	return answer(dest, strings.Join(names, "\x00")+"\x00")
}

// answer fills dest, or tells how large it has to be.
func answer(dest []byte, value string) (uint32, syscall.Errno) {
	if len(dest) < len(value) {
		return uint32(len(value)), syscall.ERANGE
	}
	return uint32(copy(dest, value)), 0
}

// Setxattr refuses as a file system without extended attributes does, which
// programs that copy them take without complaint.
func (n *node) Setxattr(context.Context, string, []byte, uint32) syscall.Errno {
	return syscall.EOPNOTSUPP
}

func (n *node) Removexattr(context.Context, string) syscall.Errno { return syscall.EOPNOTSUPP }
