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

	// cpu is the child's own, in seconds, children included, and rss its peak in
	// bytes; the parent fills them in.
	cpu float64
	rss int64
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
// (app WORKLOAD DIRECTORY), or as the client without one (limit WORKLOAD URL).
func child(ctx context.Context, kind string, args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: bench %s WORKLOAD WHERE", kind)
	}
	ws, err := pick("workload", allWorkloads(), args[0], nil, func(w *workload) string { return w.name })
	if err != nil {
		return err
	}
	w := ws[0]
	a := &app{dir: args[1], hashes: make(map[string]string)}
	if a.tmp, err = os.MkdirTemp("", "bench-app-"); err != nil {
		return err
	}
	defer os.RemoveAll(a.tmp)
	do := func() error { return w.app(a) }
	if kind == "limit" {
		c := newS3Client(ctx, args[1])
		do = func() error { return w.limit(c, a) }
	}
	if w.prepare != nil {
		if err := w.prepare(a); err != nil {
			return err
		}
	}
	out := outcome{Start: monotonic()}
	if err := do(); err != nil {
		return err
	}
	out.End, out.Hashes = monotonic(), a.hashes
	return json.NewEncoder(os.Stdout).Encode(out)
}

// spawn runs a child until it is done or ctx ends.
func spawn(ctx context.Context, kind, workload, where string) (outcome, error) {
	var out outcome
	self, err := os.Executable()
	if err != nil {
		return out, err
	}
	cmd := exec.CommandContext(ctx, self, kind, workload, where)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	b, err := cmd.Output()
	if cmd.ProcessState != nil {
		out.cpu = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
		if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
			out.rss = u.Maxrss << 10
		}
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
	return out, json.Unmarshal(b, &out)
}
