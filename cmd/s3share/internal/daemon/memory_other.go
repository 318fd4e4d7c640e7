//go:build !linux

package daemon

import "golang.org/x/sys/unix"

// KeepMemory keeps the process's memory, which has credentials in it, out of core files.
func KeepMemory() { _ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}) }
