package process

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What follows is asked while a program waits for its write or its close: by plain
// system calls, for package os makes three times as many.

// maxFDs is how many pidfds are open at most: an eighth of what this process may have
// open.
func maxFDs() int {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return 64
	}
	return int(min(l.Cur/8, 4096))
}

// openFD opens a pidfd. It is an error for a thread that is not its process's first.
func openFD(pid int) (int, error) { return unix.PidfdOpen(pid, 0) }

func closeFD(fd int) { unix.Close(fd) }

// hasEnded reports whether a process has ended, all its threads included. It may not have
// been waited for yet.
func hasEnded(fd int) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := uninterrupted(func() (int, error) { return unix.Poll(fds, 0) })
	return err == nil && n > 0
}

// pidfdInfo is what PIDFD_GET_INFO fills in, in its first version.
// Source: linux/pidfd.h, struct pidfd_info.
type pidfdInfo struct {
	mask, cgroup uint64
	pid, tgid    uint32
	ppid         uint32
	uids         [8]uint32
	exitCode     int32
}

const (
	pidfdGetInfo  = 0xc040ff0b // Source: linux/pidfd.h, PIDFD_GET_INFO
	pidfdInfoExit = 1 << 3     // Source: linux/pidfd.h, PIDFD_INFO_EXIT; since Linux 6.15
)

// howEnded returns the exit code of a process that was waited for, where the kernel keeps
// it.
func howEnded(fd int) (code int, ok bool) {
	if fd == noFD {
		return 0, false
	}
	info := pidfdInfo{mask: pidfdInfoExit}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), pidfdGetInfo, uintptr(unsafe.Pointer(&info))) // #nosec G103 -- an ioctl takes a pointer
	return int(info.exitCode), errno == 0 && info.mask&pidfdInfoExit != 0
}

// exitCode returns the exit code of a process that is ending, or has not been waited for.
//
// A process in the midst of execve(2) closes files while it holds a lock for which readers
// of /proc/PID/stat wait; they would wait for ever if its close waits for them. So stat is
// read only of a process that has no memory any more: one that ends gives that up before it
// closes its files, and does not call execve(2). Source: kernel/exit.c, do_exit; fs/exec.c,
// begin_new_exec.
func exitCode(pid int) (code int, ok bool) {
	if hasMemory(pid) {
		return 0, false
	}
	stat, err := readProc(pid, "stat")
	if err != nil {
		return 0, false
	}
	return exitCodeIn(stat)
}

// hasMemory reports whether a process has not given up its memory. Nothing locks what it
// reads.
func hasMemory(pid int) bool {
	status, err := statusOf(pid)
	return err == nil && bytes.Contains(status, []byte("\nVmSize:"))
}

// statusOf is /proc/PID/status. It is as long as the process has groups.
func statusOf(pid int) ([]byte, error) { return os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)) }

// leaderOf is the number of a thread's process, or the thread's own where that cannot be
// had.
func leaderOf(tid int) int {
	status, err := statusOf(tid)
	if err != nil {
		return tid
	}
	if pid, err := strconv.Atoi(fieldOf(status, "Tgid:")); err == nil {
		return pid
	}
	return tid
}

// NameOf returns the name of the program that a thread's process runs, cut to 15 bytes as the
// kernel keeps it; "" if that is not known. It is one look into /proc, and a second one for another
// thread than the process's first.
func NameOf(tid int) string {
	if tid == 0 {
		return ""
	}
	status, err := statusOf(tid)
	if err != nil {
		return ""
	}
	pid, err := strconv.Atoi(fieldOf(status, "Tgid:"))
	if err != nil || pid == tid {
		return fieldOf(status, "Name:")
	}
	name, err := readProc(pid, "comm")
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(name, "\n")
}

// fieldOf returns the field of /proc/PID/status with this name, "" for none.
func fieldOf(status []byte, name string) string {
	for line := range bytes.Lines(status) {
		if rest, ok := bytes.CutPrefix(line, []byte(name)); ok {
			return string(bytes.TrimSpace(rest))
		}
	}
	return ""
}

// procSize is more than any of the files in /proc has that readProc reads, in bytes:
// stat has 52 numbers and a name of 15.
const procSize = 2 << 10

// readProc returns what /proc says of a process under that name.
func readProc(pid int, name string) (string, error) {
	fd, err := open("/proc/" + strconv.Itoa(pid) + "/" + name)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	var b [procSize]byte
	n, err := uninterrupted(func() (int, error) { return unix.Read(fd, b[:]) })
	if err != nil {
		return "", err
	}
	return string(b[:n]), nil
}

func open(path string) (fd int, err error) {
	return uninterrupted(func() (int, error) {
		return unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	})
}

// uninterrupted makes a system call until no signal, as the runtime sends itself, has
// cut it short.
func uninterrupted(call func() (int, error)) (n int, err error) {
	for {
		if n, err = call(); err != unix.EINTR {
			return n, err
		}
	}
}
