package demo

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/s3share/s3share/cmd/s3share/internal/daemon"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/mounts"
)

// stopTimeout is how long a program of the demo may take to end.
const stopTimeout = 20 * time.Second

// process is a program of the demo that runs.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed when it has ended
}

// watch waits for the end of a started cmd.
func watch(cmd *exec.Cmd) *process {
	p := &process{cmd, make(chan struct{})}
	go func() {
		_ = cmd.Wait() // that it has ended is all that counts
		close(p.exited)
	}()
	return p
}

// endsWithin reports whether the process ends in that time.
func (p *process) endsWithin(d time.Duration) bool {
	select {
	case <-p.exited:
		return true
	case <-time.After(d):
		return false
	}
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.exited
}

// account is a principal of the demo's bucket.
type account struct {
	Key     string `json:"access_key_id"`
	Secret  string `json:"secret_access_key"`
	Account string `json:"account_id"`
}

// demoBucket is the running program localbucket, and what it says about itself.
type demoBucket struct {
	Endpoint string  `json:"endpoint"`
	Region   string  `json:"region"`
	Bucket   string  `json:"bucket"`
	Owner    account `json:"owner"`
	Client   account `json:"client"`

	proc  *process
	stdin io.Closer // it ends when this is closed, also by our own end
}

// startBucket runs localbucket until it listens.
func startBucket(ctx context.Context) (*demoBucket, error) {
	program, err := findLocalbucket()
	if err != nil {
		return nil, err
	}
	// A policy with delete, so that files can be renamed and removed by both.
	cmd := exec.Command(program, "--policy", "full") // #nosec G204 -- localbucket, which lies beside this program
	cmd.SysProcAttr = ownGroup()
	var complaint strings.Builder
	cmd.Stderr = &complaint
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("cannot run %s: %w", program, err)
	}
	b := &demoBucket{stdin: stdin}
	said := make(chan error, 1)
	go func() {
		line, err := bufio.NewReader(stdout).ReadBytes('\n')
		if err == nil {
			err = json.Unmarshal(line, b)
		}
		said <- err
	}()
	select {
	case err = <-said:
		b.proc = watch(cmd)
	case <-ctx.Done():
		b.proc = watch(cmd)
		err = hint.ErrInterrupted
	}
	if err != nil {
		err = errors.Join(err, b.stop())
		if text := hint.OneLine(strings.TrimSpace(complaint.String())); text != "" {
			err = errors.New(text)
		}
		return nil, fmt.Errorf("%s did not start: %w", program, err)
	}
	return b, nil
}

// findLocalbucket looks where make build and make install put it, then in PATH.
func findLocalbucket() (string, error) {
	const name = "localbucket"
	if self, err := os.Executable(); err == nil {
		if real, err := filepath.EvalSymlinks(self); err == nil {
			self = real
		}
		here := filepath.Dir(self)
		for _, path := range []string{filepath.Join(here, name),
			filepath.Join(here, "..", "libexec", "s3share", name)} {
			if path, err := exec.LookPath(path); err == nil {
				return path, nil
			}
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", hint.With(errors.New("the program localbucket is not there"),
			"make build puts it beside s3share")
	}
	return path, nil
}

func (b *demoBucket) stop() error {
	_ = b.stdin.Close() // it may have ended before
	if b.proc.endsWithin(stopTimeout) {
		return nil
	}
	b.proc.kill()
	return errors.New("localbucket did not end and was killed")
}

// party is one side of the demo: a mount by a process of its own.
type party struct {
	dir      string
	proc     *process
	lifeline io.Closer // the mount ends when this is closed, also by our own end
}

// startParty mounts b on dir/name, as the account who.
func startParty(ctx context.Context, name, dir, work string,
	b *demoBucket, who account) (*party, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &party{dir: filepath.Join(dir, name)}
	own := filepath.Join(work, name)
	cmd := exec.Command(self, "mount", "-f", // #nosec G204 -- this very program, without a shell
		"--bucket", b.Bucket, "--endpoint-url", b.Endpoint, "--region", b.Region,
		"--state-dir", filepath.Join(own, "state"), "--cache-dir", filepath.Join(own, "cache"),
		"--log-file", filepath.Join(work, name+".log"), p.dir)
	cmd.SysProcAttr = ownGroup()
	cmd.Env = demoEnvironment(os.Environ(), who)
	hold, lifeline, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer hold.Close()
	cmd.ExtraFiles = []*os.File{hold}
	cmd.Env = append(cmd.Env, daemon.LifelineVariable+"=3")
	p.lifeline = lifeline
	if err := daemon.StartProcess(cmd, ctx.Done()); err != nil {
		return nil, errors.Join(err, lifeline.Close())
	}
	p.proc = watch(cmd)
	return p, nil
}

// demoEnvironment is env for a mount as who, without anything that leads elsewhere.
func demoEnvironment(env []string, who account) []string {
	var clean []string
	for _, v := range env {
		if !strings.HasPrefix(v, "AWS_") && !strings.HasPrefix(v, "S3SHARE_") &&
			!strings.HasPrefix(v, "NOTIFY_SOCKET=") {
			clean = append(clean, v)
		}
	}
	return append(clean,
		"AWS_ACCESS_KEY_ID="+who.Key, "AWS_SECRET_ACCESS_KEY="+
			who.Secret, "AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull)
}

// stop ends the mount: by asking, by asking again, and by force.
func (p *party) stop() error {
	defer p.lifeline.Close()
	for range 2 {
		_ = p.proc.cmd.Process.Signal(syscall.SIGTERM) // it may have ended before
		if p.proc.endsWithin(stopTimeout) {
			return nil
		}
	}
	p.proc.kill()
	return errors.Join(fmt.Errorf("the mount on %s did not end and was killed", p.dir),
		mounts.Unmount(p.dir, mounts.Lazy))
}

// ownGroup keeps the terminal's Ctrl-C from a process.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
