// Package hole makes holes in files.
package hole

import (
	"os"

	"golang.org/x/sys/unix"
)

// Punch gives the space of a range of f back; it reads as zero.
func Punch(f *os.File, off, n int64) error {
	return unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n)
}
