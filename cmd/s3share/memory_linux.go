package main

import "golang.org/x/sys/unix"

// keepMemory keeps what is in memory, credentials among it, out of core files, whatever the
// limits and the kernel's core_pattern are, and from other processes of this user that would
// trace this one. See PR_SET_DUMPABLE in prctl(2).
func keepMemory() { _ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }
