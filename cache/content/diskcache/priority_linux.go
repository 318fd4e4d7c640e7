package diskcache

import "golang.org/x/sys/unix"

// LowerPriority lowers the priority of the calling goroutine's thread, which it
// must have locked and must not unlock: where processors are scarce it gets a
// tenth of what another thread gets, enough not to stand still.
func LowerPriority() { _ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), 10) }
