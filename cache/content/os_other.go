//go:build unix && !linux

package content

import "golang.org/x/sys/unix"

// adviceFree lets the kernel take pages back when it needs them. MADV_DONTNEED
// frees nothing outside of Linux.
const adviceFree = unix.MADV_FREE

// advise does nothing: there is nothing to ask for.
func advise([]byte) {}
