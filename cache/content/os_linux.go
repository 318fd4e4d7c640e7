package content

import "golang.org/x/sys/unix"

// adviceFree makes the kernel take pages back at once.
const adviceFree = unix.MADV_DONTNEED

// background gives the calling goroutine's thread, which it must have locked
// and must not unlock, what the others leave of the processors.
func background() { _ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), 19) }
