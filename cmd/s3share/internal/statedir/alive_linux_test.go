package statedir

import (
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

// TestAProcessThatHasEndedIsNotAlive: also before its parent has asked for its exit code.
func TestAProcessThatHasEndedIsNotAlive(t *testing.T) {
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	if !(LockInfo{PID: pid, Start: processStart(pid)}).Alive() {
		t.Error("it runs, and is told to have ended")
	}
	of := LockInfo{PID: pid, Start: processStart(pid)}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	var info unix.Siginfo
	if err := unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("/proc/self"); err == nil && of.Alive() {
		t.Error("it has ended, and is told to run")
	}
	_ = cmd.Wait()
	if of.Alive() {
		t.Error("it is gone, and is told to run")
	}
}
