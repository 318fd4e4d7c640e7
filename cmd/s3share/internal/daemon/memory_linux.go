package daemon

import "golang.org/x/sys/unix"

// KeepMemory keeps the process's memory, which has credentials in it, out of core files,
// whatever the limits and the kernel's core_pattern are, and keeps other processes of this
// user from tracing this one. Source: prctl(2), PR_SET_DUMPABLE.
func KeepMemory() { _ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }
