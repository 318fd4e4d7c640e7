package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/s3share/s3share/integration/bench/memserver"
)

// mount is one contender's process and its mount.
type mount struct {
	binary   string
	endpoint string
	fills    []memserver.Fill // what the bucket holds
	dir      string           // the mountpoint
	home     string           // where its caches, its state and its log are

	certificate string // a file with the server's

	contender *contender
	cmd       *exec.Cmd
	exited    chan struct{} // closed when the process is gone, nil before it was there
}

// path is a directory of the mount's own, by name.
func (m *mount) path(name string) string { return filepath.Join(m.home, name) }

// prepareMount makes all that a mount of c under work needs, but does not mount.
// Whatever comes of it, close must be called.
func prepareMount(c *contender, srv *server, w *workload, work string) (_ *mount, err error) {
	m := &mount{endpoint: srv.url, certificate: srv.certificate, fills: w.fills, contender: c}
	if w.tls {
		m.endpoint = srv.tls
	}
	if m.binary, err = c.binary(); err != nil {
		return nil, err
	}
	if m.home, err = os.MkdirTemp(work, strings.ReplaceAll(c.name, ":", "-")+"-"); err != nil {
		return nil, err
	}
	m.dir = m.path("mnt")
	for _, name := range []string{"mnt", "state", "cache", "tmp"} {
		if err := os.Mkdir(m.path(name), 0o700); err != nil {
			return nil, errors.Join(err, os.RemoveAll(m.home))
		}
	}
	return m, nil
}

// start mounts, and returns when the kernel has the mount. Ending ctx kills the
// process, which ends all that waits for the mount.
func (m *mount) start(ctx context.Context) error {
	log, err := os.Create(m.path("log"))
	if err != nil {
		return err
	}
	defer log.Close()
	m.cmd = exec.Command(m.binary, m.contender.args(m)...)
	m.cmd.Env = append(environment(), "TMPDIR="+m.path("tmp"), "RCLONE_CONFIG="+os.DevNull,
		"SSL_CERT_FILE="+m.certificate)
	if m.contender.env != nil {
		m.cmd.Env = append(m.cmd.Env, m.contender.env(m)...)
	}
	m.cmd.Stdout, m.cmd.Stderr = log, log
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a signal from the terminal is for us
	if err := m.cmd.Start(); err != nil {
		return err
	}
	cmd, exited := m.cmd, make(chan struct{})
	m.exited = exited
	go func() {
		cmd.Wait() // how it ended is told by cmd.ProcessState
		close(exited)
	}()
	context.AfterFunc(ctx, m.kill)
	for !mounted(m.dir) {
		select {
		case <-m.exited:
			if ctx.Err() != nil { // which is what ended it
				return fmt.Errorf("did not mount: %w: %s", context.Cause(ctx), m.log())
			}
			return fmt.Errorf("did not mount: %s", m.log())
		case <-ctx.Done():
			return fmt.Errorf("did not mount: %w: %s", context.Cause(ctx), m.log())
		case <-time.After(time.Millisecond): // the kernel's table of mounts
		}
	}
	return nil
}

// environment is ours, with credentials that memserver takes and no others.
func environment() []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "AWS") && !strings.HasPrefix(v, "RCLONE_") {
			env = append(env, v)
		}
	}
	return append(env, "AWS_ACCESS_KEY_ID=bench", "AWS_SECRET_ACCESS_KEY=benchbench",
		"AWSACCESSKEYID=bench", "AWSSECRETACCESSKEY=benchbench",
		"AWS_EC2_METADATA_DISABLED=true", "AWS_REGION="+region)
}

// folder is where the folder's files are.
func (m *mount) folder() string { return filepath.Join(m.dir, m.contender.sub) }

// ready returns once the folder answers.
func (m *mount) ready(ctx context.Context) error {
	// Another process asks: were it ours, a daemon that never answers would hang us.
	if out, err := exec.CommandContext(ctx, "stat", m.folder()).CombinedOutput(); err != nil {
		return fmt.Errorf("does not answer: %w: %s: %s", err, tail(out), m.log())
	}
	return nil
}

// mounted reports whether dir is a mountpoint, without asking the mount itself.
func mounted(dir string) bool {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 4 && f[4] == dir {
			return true
		}
	}
	return false
}

// unmountTimeout is how long a contender may take to unmount with nothing to do.
const unmountTimeout = 20 * time.Second

// close unmounts, ends the process and removes its files. It is an error if the
// contender does not do its part, but nothing is left either way.
func (m *mount) close() error {
	if err := m.stop(); mounted(m.dir) {
		return err // its files are below the mount
	} else {
		return errors.Join(err, os.RemoveAll(m.home))
	}
}

// stop unmounts and ends the process; what it keeps on the disk stays.
func (m *mount) stop() error {
	if m.exited == nil {
		return nil // never started
	}
	ctx, cancel := context.WithTimeout(context.Background(), unmountTimeout)
	defer cancel()
	var err error
	if mounted(m.dir) {
		args := []string{"fusermount3", "-u", m.dir}
		if m.contender.unmount != nil {
			args = m.contender.unmount(m)
		}
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Env = m.cmd.Env
		if out, e := cmd.CombinedOutput(); e != nil {
			err = fmt.Errorf("unmounting: %w: %s", e, tail(out))
		}
	} else {
		m.kill() // it never mounted, or died
	}
	select {
	case <-m.exited:
	case <-ctx.Done():
		m.kill()
		<-m.exited
		err = errors.Join(err, errors.New("did not end after its unmount"))
	}
	if mounted(m.dir) { // it died; lazily, for a program may still be inside
		out, e := exec.Command("fusermount3", "-uz", m.dir).CombinedOutput()
		if e != nil {
			return errors.Join(err, fmt.Errorf("fusermount3 -uz %s: %w: %s", m.dir, e, tail(out)))
		}
	}
	return err
}

// kill ends the process and all that it started.
func (m *mount) kill() {
	select {
	case <-m.exited: // its number may be another's by now
	default:
		syscall.Kill(-m.cmd.Process.Pid, syscall.SIGKILL)
	}
}

// log is the end of what the contender had to say.
func (m *mount) log() string {
	b, _ := os.ReadFile(m.path("log")) // nothing is an answer too
	return tail(b)
}
