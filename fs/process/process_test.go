//go:build linux

package process

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestExitCodeIn(t *testing.T) {
	// The fields behind the name: state, and then numbers, of which the flags are
	// the seventh and the exit code the last.
	stat := func(name, flags, code string) string {
		fields := strings.Split("R 1 1 1 0 -1 FLAGS"+strings.Repeat(" 0", 42)+" CODE", " ")
		return "123 (" + name + ") " +
			strings.NewReplacer("FLAGS", flags, "CODE", code).Replace(strings.Join(fields, " "))
	}
	for _, c := range []struct {
		name, flags, code string
		ends, killed      bool
	}{
		{"cp", "4194308", "9", true, true},
		{"cp", "4194308", "2", true, true},
		{"cp", "4194308", "139", true, true}, // it dumped core
		{"cp", "4194308", "0", true, false},
		{"cp", "4194308", "256", true, false}, // exit(1)
		{"cp", "4194304", "9", false, false},  // not ending
		{"a) R 9 (b", "4194308", "15", true, true},
		{"a) ", "4194308", "15", true, true},
	} {
		code, ok := exitCodeIn(stat(c.name, c.flags, c.code))
		if ok != c.ends || ok && signaled(code) != c.killed {
			t.Errorf("exitCodeIn(%s, flags %s, code %s) = %d, %v",
				c.name, c.flags, c.code, code, ok)
		}
	}
	for _, stat := range []string{"", "1 (x", "1 (x) R 1 2"} {
		if _, ok := exitCodeIn(stat); ok {
			t.Errorf("exitCodeIn(%q) is ok", stat)
		}
	}
}

// TestHowProcessesEnd asks of processes that run, have ended, and were waited for.
func TestHowProcessesEnd(t *testing.T) {
	for _, c := range []struct {
		name, script string
		killed       bool
	}{
		{"exits", "exit 0", false},
		{"exits with an error", "exit 9", false},
		{"is killed", "kill -KILL $$", true},
		{"is interrupted", "kill -INT $$", true},
		{"handles the signal and exits", "trap 'exit 130' INT; kill -INT $$", false},
		{"is killed, another program by then", "exec sh -c 'kill -TERM $$'", true},
		{"has a child that is killed", "sh -c 'kill -KILL $$'; exit 0", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			table := NewTable()
			cmd := exec.Command("sh", "-c", "read -r go; "+c.script)
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			p, late := table.Of(cmd.Process.Pid), table.Of(cmd.Process.Pid)
			defer p.Release()
			if p != late {
				t.Error("there are two of one process")
			}
			if p.Killed() {
				t.Error("a process that runs was killed")
			}
			fmt.Fprintln(in, "go")
			var info unix.Siginfo
			if err := unix.Waitid(unix.P_PID, cmd.Process.Pid,
				&info, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
				t.Fatal(err)
			}
			if got := p.Killed(); got != c.killed {
				t.Errorf("before it was waited for, killed = %v", got)
			}
			_ = cmd.Wait()
			if got := p.Killed(); got != c.killed {
				t.Errorf("after it was waited for, killed = %v", got)
			}
			late.Release()
		})
	}
}

// TestAskedLate asks for the first time when a process was waited for.
func TestAskedLate(t *testing.T) {
	self, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		t.Skip("no pidfds: ", err)
	}
	defer unix.Close(self)
	info := pidfdInfo{mask: pidfdInfoExit}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(self),
		pidfdGetInfo, uintptr(ptr(&info))); errno != 0 {
		t.Skip("the kernel does not keep how processes ended: ", errno)
	}
	for sig, want := range map[syscall.Signal]bool{syscall.SIGKILL: true, 0: false} {
		cmd := exec.Command("sh", "-c", "read -r go")
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		p := NewTable().Of(cmd.Process.Pid)
		if want {
			_ = cmd.Process.Signal(sig)
		} else {
			in.Close()
		}
		_ = cmd.Wait()
		if !p.Gone() || p.Killed() != want {
			t.Errorf("signal %d: gone %v, killed %v", sig, p.Gone(), p.Killed())
		}
		p.Release()
	}
}

// TestThreads: whichever thread asks, it is one process.
func TestThreads(t *testing.T) {
	table := NewTable()
	self := table.Of(os.Getpid())
	defer self.Release()
	done, over := make(chan struct{}), make(chan struct{})
	for range 3 {
		go func() {
			runtime.LockOSThread()
			p := table.Of(unix.Gettid())
			if p != self {
				t.Errorf("thread %d is of process %d, want %d", unix.Gettid(), p.pid, self.pid)
			}
			p.Release()
			done <- struct{}{}
			<-over // so that it is not the same thread each time
		}()
		<-done
	}
	close(over)
	if p := table.Of(0); p != nil {
		t.Errorf("nobody is process %d", p.pid)
	}
}

// TestDescriptorsAreBounded: all uses of a process share a pidfd, which ends with the
// last, and above the most there are none. A process is still told from others.
func TestDescriptorsAreBounded(t *testing.T) {
	table := NewTable()
	table.max = 2
	var all []*Process
	for range 4 {
		cmd := exec.Command("sleep", "60")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
		p := table.Of(cmd.Process.Pid)
		for range 3 {
			all = append(all, p, table.Of(cmd.Process.Pid))
			p.Hold()
		}
		p.Release()
	}
	if table.fds != table.max || len(table.processes) != 4 {
		t.Errorf("%d pidfds of %d processes, want %d of 4", table.fds,
			len(table.processes), table.max)
	}
	if all[0] == all[6] || all[0] != all[1] || all[18] == all[6] {
		t.Error("processes are taken for one another")
	}
	for _, p := range all {
		if p.Killed() {
			t.Error("a process that runs was killed")
		}
		p.Release()
	}
	if table.fds != 0 || len(table.processes) != 0 {
		t.Errorf("%d pidfds of %d processes are left", table.fds, len(table.processes))
	}
}

// TestProcessOfManyGroupsHasMemory: how much of /proc/PID/status comes before the memory
// depends on the process.
func TestProcessOfManyGroupsHasMemory(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root gives a process its groups")
	}
	groups := make([]uint32, 2000)
	for i := range groups {
		groups[i] = 1_000_000 + uint32(i)
	}
	cmd := exec.Command("cat")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Groups: groups}}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if !hasMemory(cmd.Process.Pid) {
		t.Error("a process that runs has no memory")
	}
	in.Close()
	var info unix.Siginfo
	if err := unix.Waitid(unix.P_PID, cmd.Process.Pid, &info,
		unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	if hasMemory(cmd.Process.Pid) {
		t.Error("a process that has ended has memory")
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
}

// TestNameOf asks for the name of a program by its first thread and by another one, which has a
// name of its own.
func TestNameOf(t *testing.T) {
	comm, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	want := strings.TrimSpace(string(comm))
	if got := NameOf(os.Getpid()); got != want {
		t.Errorf("the first thread: %q, want %q", got, want)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // the thread ends with the goroutine
		if unix.Gettid() == os.Getpid() {
			return
		}
		if err := os.WriteFile(fmt.Sprintf("/proc/self/task/%d/comm", unix.Gettid()),
			[]byte("worker"), 0); err != nil {
			t.Error(err)
		}
		if got := NameOf(unix.Gettid()); got != want {
			t.Errorf("another thread: %q, want %q", got, want)
		}
	}()
	<-done
	for _, tid := range []int{0, 1 << 30} {
		if got := NameOf(tid); got != "" {
			t.Errorf("thread %d: %q", tid, got)
		}
	}
}
