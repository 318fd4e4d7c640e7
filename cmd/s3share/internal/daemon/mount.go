package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
)

// Mount mounts in this process, or hands over to one in the background.
func Mount(says config.CommandLine, dir string, foreground bool, notes io.Writer) error {
	ready := inherited(readyVariable)
	manager := newServiceManager()
	sources, err := says.Sources()
	var s *config.Settings
	if err == nil {
		s, err = sources.Settings()
	}
	if err == nil && !foreground && ready == nil {
		return Background(os.Args[1:], os.Environ())
	}
	d := newDaemon(s, foreground, notes)
	if err == nil {
		asRead := *s
		d.sources, d.asRead = &sources, &asRead
	}
	if foreground {
		d.manager = manager
	}
	hangup := d.hangup
	if foreground && manager.socket == "" { // at a terminal: it is closed
		hangup = nil
	}
	ctx, cancel, stop := hint.SignalContextFunc(d.exitNow, hangup)
	defer stop()
	if lifeline := inherited(LifelineVariable); lifeline != nil {
		hint.OnEOF(lifeline, cancel)
	}
	if err == nil {
		err = d.start(ctx, dir)
	}
	if err != nil {
		return notMounted(ready, fmt.Errorf("cannot mount %s: %w", dir, err))
	}
	if ready != nil {
		reportStart(ready, nil)
	}
	d, err = d.runUntilEnded(ctx)
	if err != nil {
		if foreground {
			err = fmt.Errorf("%s is unmounted, but %w", d.dir, err)
			if left := new(outbox.LeftError); ctx.Err() == nil && errors.As(err, &left) {
				err = &hint.Error{Err: err, Code: hint.ExitLeft}
			}
			return err
		}
		return hint.Silent(hint.ExitFailed) // it is in the log
	}
	return nil
}

// notMounted tells whoever waits at ready, if anybody does, why the mount could not start, and
// returns the error for the caller.
func notMounted(ready *os.File, err error) error {
	if ready == nil {
		return err
	}
	reportStart(ready, err)
	code, _ := hint.ExitCode(err)
	return hint.Silent(code)
}

// runUntilEnded runs the mount until it ends, and again where a new mount to which it was handed
// over has failed. It returns the daemon that was the last.
func (d *mountDaemon) runUntilEnded(ctx context.Context) (last *mountDaemon, err error) {
	err = d.run(ctx)
	for errors.Is(d.drainErr, errHandedOver) {
		next := d.takeBack(ctx)
		if next == nil {
			d.notifyStopping()
			break
		}
		d = next
		err = errors.Join(err, d.run(ctx))
	}
	if d.endWatchdog != nil {
		d.endWatchdog()
	}
	return d, err
}

// Background runs this program with args, detached, and waits until it serves.
func Background(args, env []string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("cannot find this program: %w", err)
	}
	ctx, stop := hint.SignalContext()
	defer stop()
	cmd := exec.Command(self, args...) // #nosec G204 G702 -- this very program, without a shell
	cmd.Env = env
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = ownSession()
	return StartProcess(cmd, ctx.Done())
}
