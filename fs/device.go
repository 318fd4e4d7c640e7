package fs

import (
	"log/slog"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// closeDeviceOnExec keeps the FUSE device from the processes that are started from here: a mount
// lives as long as some process has it open, and would hang once nobody answers.
// Source: go-fuse 2.12.1, mountDirect, which opens it without O_CLOEXEC.
func closeDeviceOnExec(log *slog.Logger) {
	const fds = "/proc/self/fd"
	entries, err := os.ReadDir(fds)
	if err != nil {
		log.Debug("programs that are started from here may hold the mount", "err", err) // not Linux
		return
	}
	for _, e := range entries {
		to, err := os.Readlink(filepath.Join(fds, e.Name()))
		if err != nil || to != "/dev/fuse" {
			continue
		}
		if fd, err := strconv.Atoi(e.Name()); err == nil {
			unix.CloseOnExec(fd)
		}
	}
}
