package fs

import (
	"context"
	"fmt"
	"strings"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"

	"github.com/s3share/s3share/cache"
	"github.com/s3share/s3share/cache/outbox"
)

// xattrs are the extended attributes of a file. They cannot be set, and are not listed: what
// copies a file with all that is listed would take them along.
const (
	xattrPrefix = "user.s3share."
	xattrKey    = xattrPrefix + "key"   // its key in the bucket
	xattrETag   = xattrPrefix + "etag"  // of the version that S3 holds
	xattrState  = xattrPrefix + "state" // where it is on its way: see outbox.State
	// xattrProgress is of a file that is not delivered: bytes that S3 has, a slash, its size.
	xattrProgress = xattrPrefix + "progress"
	xattrError    = xattrPrefix + "error"   // why it is not delivered, if anything has failed
	xattrVers     = xattrPrefix + "version" // S3's version id, where the bucket keeps versions
	// xattrHealth is of a directory: whether S3 can be asked, or what is shown may be old.
	xattrHealth = xattrPrefix + "health"
)

// xattr is the value of an attribute but the version; "" for none.
func (s *Server) xattr(a cache.Attr, name string) string {
	switch name {
	case xattrKey:
		return a.Key
	case xattrETag:
		return a.ETag
	}
	st := s.cache.Deliveries().StatusOf(a)
	switch {
	case name == xattrState:
		return string(st.State)
	case st.State == "" || st.State == outbox.Delivered || st.State == outbox.Conflict:
	case name == xattrProgress && st.State != outbox.Local:
		return fmt.Sprintf("%d/%d", st.Sent, st.Size)
	case name == xattrError:
		if s.cfg.Reason != nil {
			st.Reason = s.cfg.Reason(st)
		}
		if st.Code != "" && !strings.Contains(st.Reason, st.Code) {
			return st.Code + ": " + st.Reason
		}
		return st.Reason
	}
	return ""
}

func (f *file) Getxattr(ctx context.Context, name string, dest []byte) (uint32, syscall.Errno) {
	if !strings.HasPrefix(name, xattrPrefix) {
		return f.node.Getxattr(ctx, name, dest)
	}
	a, err := f.attr(ctx, nil)
	if err != nil {
		return 0, f.s.errnoFor("getxattr", f.path(), err)
	}
	if name == xattrState && a.Stale != nil {
		return 0, f.s.errnoFor("getxattr", f.path(), a.Stale) // S3 does not confirm it now
	}
	value := f.s.xattr(a, name)
	if name == xattrVers {
		if value, err = f.s.cache.Version(ctx, a); err != nil {
			return 0, f.s.errnoFor("getxattr", f.path(), err)
		}
	}
	if value == "" {
		return 0, fusefs.ENOATTR
	}
	return answer(dest, value)
}

func (d *dir) Getxattr(ctx context.Context, name string, dest []byte) (uint32, syscall.Errno) {
	if name != xattrHealth || d.s.cfg.Health == nil {
		return d.node.Getxattr(ctx, name, dest)
	}
	return answer(dest, d.s.cfg.Health())
}

// Getxattr is for the names that nothing here has. Labels and access lists are not
// supported at all: after that reply ls and cp ask once, and not once more for each file.
func (n *node) Getxattr(_ context.Context, name string, _ []byte) (uint32, syscall.Errno) {
	for _, space := range []string{"security.", "system.", "trusted."} {
		if strings.HasPrefix(name, space) {
			return 0, syscall.EOPNOTSUPP
		}
	}
	return 0, fusefs.ENOATTR
}

// answer fills dest, or returns how large it has to be.
func answer(dest []byte, value string) (uint32, syscall.Errno) {
	if len(dest) < len(value) {
		return uint32(len(value)), syscall.ERANGE
	}
	return uint32(copy(dest, value)), 0
}

// Listxattr lists none.
func (n *node) Listxattr(context.Context, []byte) (uint32, syscall.Errno) { return 0, 0 }

// Setxattr refuses as a file system without extended attributes does, which
// programs that copy them take without complaint. The kernel makes EOPNOTSUPP of it,
// and asks no more: `cp -a` would for each file.
func (n *node) Setxattr(context.Context, string, []byte, uint32) syscall.Errno {
	return syscall.ENOSYS
}

func (n *node) Removexattr(context.Context, string) syscall.Errno { return syscall.ENOSYS }
