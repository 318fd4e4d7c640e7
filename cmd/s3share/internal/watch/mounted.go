package watch

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/s3share/s3share/cache/keyname"
	"github.com/s3share/s3share/cmd/s3share/internal/mounts"
)

var (
	// errMountAway is returned while nobody serves the mount.
	errMountAway = errors.New("the mount does not answer")
	// errNotShown is returned for a version that the mount does not show.
	errNotShown = errors.New("the mount does not show it yet")
)

const (
	// showPatience is how long a mount may take to show what S3 has: docs/semantics.md, Freshness.
	showPatience = 15 * time.Second
	showInterval = 20 * time.Millisecond
	// etagAttribute is the attribute of a file in a mount that has the ETag of S3's version.
	etagAttribute = "user.s3share.etag"
)

// pathOf is the path of a key below the mountpoint. shadowed is set if a directory has its name.
func pathOf(key string, shadowed bool) string {
	prefix, elem := keyname.Split(key)
	name := keyname.FileName(elem, shadowed)
	if prefix == "" {
		return name
	}
	return keyname.Path(prefix) + "/" + name
}

// awaitShown waits until the mount on dir shows a version, so that a command finds it. It looks
// once after deadline, and then returns errNotShown.
func awaitShown(ctx context.Context, dir, path, etag string, deadline time.Time) error {
	name := filepath.Join(dir, path)
	for {
		shown := make(chan error, 1)
		go func() { shown <- showsVersion(dir, name, etag) }()
		var err error
		select {
		case err = <-shown:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err == nil || errors.Is(err, errMountAway) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-time.After(showInterval):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// showsVersion returns nil if a file of the mount on dir is the version with the ETag.
func showsVersion(dir, name, etag string) error {
	buf := make([]byte, 1024)
	n, err := unix.Getxattr(name, etagAttribute, buf)
	if err == nil && string(buf[:n]) == etag {
		return nil
	}
	if err == nil {
		return errNotShown
	}
	if errors.Is(err, unix.ENOTCONN) || errors.Is(err, unix.ECONNABORTED) {
		return errMountAway
	}
	if m, merr := mounts.At(dir); merr != nil || m == nil || !mounts.IsOurs(m) {
		return errMountAway
	}
	return errNotShown
}
