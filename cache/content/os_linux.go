package content

import "golang.org/x/sys/unix"

// adviceFree makes the kernel take pages back at once.
const adviceFree = unix.MADV_DONTNEED

// advise asks for mem to be made of large pages. The first round through the
// arena then costs half as much processor time.
func advise(mem []byte) { _ = unix.Madvise(mem, unix.MADV_HUGEPAGE) }

// background lowers the priority of the calling goroutine's thread, which it
// must have locked and must not unlock: where processors are scarce it gets a
// tenth of what another thread gets, enough not to stand still.
func background() { _ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), 10) }
