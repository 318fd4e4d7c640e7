//go:build unix

package daemon

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// closeOnExec keeps a descriptor from the processes started from here.
func closeOnExec(fd int) { unix.CloseOnExec(fd) }

// ownSession detaches a process from the terminal and its signals.
func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// leaveTerminal gives standard input and output up, and sends standard error,
// where Go writes its last words, to log.
func leaveTerminal(log *os.File) error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	for fd := range 2 {
		if err := dup(int(null.Fd()), fd); err != nil {
			return os.NewSyscallError("dup", err)
		}
	}
	return sendStderr(log)
}

// sendStderr has standard error go to f.
func sendStderr(f *os.File) error {
	return os.NewSyscallError("dup", dup(int(f.Fd()), 2))
}
