//go:build !linux

package watch

import (
	"os"
	"syscall"
)

// endsWithUs is for Linux alone: elsewhere a command whose teller is killed goes on.
func endsWithUs() *syscall.SysProcAttr { return nil }

func thisProgram() (string, error) { return os.Executable() }
