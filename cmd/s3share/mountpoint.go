package main

import (
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/mounts"
)

// checkOutside proves that what the daemon writes does not lie in its own mount.
func checkOutside(dir string, s *settings) error {
	for _, p := range []struct{ path, what, flag string }{
		{s.StateDir, "state directory", "--state-dir"},
		{s.CacheDir, "cache", "--cache-dir"},
		{s.LogFile, "log", "--log-file"},
	} {
		if p.path != "" && mounts.Within(p.path, dir) {
			return hint.Misuse("name another place with "+p.flag, "the %s %s lies inside the mountpoint", p.what, p.path)
		}
	}
	return nil
}
