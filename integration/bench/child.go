package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// outcome is what a child says on its standard output.
type outcome struct {
	// Start is when the work began, by CLOCK_MONOTONIC, which all processes share.
	Start time.Duration `json:"start"`
	// End is when the program that used the mount was done.
	End time.Duration `json:"end"`
	// Hashes holds the CRC-32C of each file read in whole, in hex, by name.
	Hashes map[string]string `json:"hashes,omitempty"`
	// RandomReads is how many random reads were done.
	RandomReads int64 `json:"random_reads,omitempty"`
	// RSS is the child's peak in bytes. (What wait4 tells counts what the parent
	// had when it forked.)
	RSS int64 `json:"rss"`

	// cpu is the child's own in seconds, children included; the parent fills it in.
	cpu float64
}

// monotonic is the time by CLOCK_MONOTONIC.
func monotonic() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(err) // the clock is always there
	}
	return time.Duration(ts.Nano())
}

// child runs in a process started by spawn: as the program that uses the mount
// (app WORKLOAD TMP FIXTURE DIRECTORY), before it (first, with the same), or as the
// client without one (limit WORKLOAD TMP FIXTURE URL).
func child(ctx context.Context, kind string, args []string) error {
	if len(args) != 4 {
		return fmt.Errorf("usage: bench %s WORKLOAD TMP FIXTURE WHERE", kind)
	}
	ws, err := pick("workload", allWorkloads(), args[0], nil,
		func(w *workload) string { return w.name })
	if err != nil {
		return err
	}
	w := ws[0]
	a := &app{tmp: args[1], fixture: args[2], dir: args[3], hashes: make(map[string]string)}
	do := func() error { return w.app(a) }
	switch kind {
	case "first":
		do = func() error { return w.first(a) }
	case "limit":
		c := newS3Client(ctx, args[3])
		do = func() error { return w.limit(c, a) }
	}
	out := outcome{Start: monotonic()}
	if err := do(); err != nil {
		return err
	}
	out.End, out.Hashes, out.RandomReads = monotonic(), a.hashes, a.randomReads.Load()
	out.RSS = int64(status("/proc/self", "VmHWM")) << 10
	return json.NewEncoder(os.Stdout).Encode(out)
}

// spawn runs a child until it is done or ctx ends.
func (b *bench) spawn(ctx context.Context, kind, where string) (out outcome, err error) {
	self, err := os.Executable()
	if err != nil {
		return out, err
	}
	tmp, err := os.MkdirTemp(b.o.work, kind+"-")
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	cmd := exec.CommandContext(ctx, self, kind, b.workload.name, tmp, b.fixture, where)
	cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+b.server.certificate)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	said, err := cmd.Output()
	if cmd.ProcessState != nil {
		out.cpu = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	}
	if ctx.Err() != nil {
		return out, context.Cause(ctx)
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return out, fmt.Errorf("%w: %s", err, tail(exit.Stderr))
	}
	if err != nil {
		return out, err
	}
	return out, json.Unmarshal(said, &out)
}
