package watch

import "syscall"

// endsWithUs has the kernel kill a command whose teller is killed: nobody would know how it ends.
func endsWithUs() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// thisProgram is this very program, also after an upgrade.
func thisProgram() (string, error) { return "/proc/self/exe", nil }
