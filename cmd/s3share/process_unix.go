//go:build unix

package main

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
	for fd, f := range map[int]*os.File{0: null, 1: null, 2: log} {
		if err := dup(int(f.Fd()), fd); err != nil {
			return os.NewSyscallError("dup", err)
		}
	}
	return nil
}

// ownGroup keeps the terminal's Ctrl-C from a process.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
