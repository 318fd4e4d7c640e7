package daemon

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/statedir"
)

// A daemon that has handed over stays until the new mount serves. If the new mount does not come
// to serve, this process takes the state directory back and goes on delivering.

const (
	// takebackDelay is how long the state directory has to be free before it is taken back. The new
	// mount tries to lock it every handoverPoll.
	takebackDelay = 5 * time.Second
	// takebackPoll is the time between two checks of who has the state directory.
	takebackPoll = 100 * time.Millisecond
)

// takeBack waits until the mount to which d has handed over serves, and then returns nil. If that
// mount fails before, it returns a daemon without a mount that delivers what is left.
func (d *mountDaemon) takeBack(ctx context.Context) *mountDaemon {
	for !successorServes(ctx, d.settings.StateDir, d.served) {
		s := *d.settings
		s.Profile = d.profile()
		n := newDaemon(&s, d.foreground, io.Discard)
		n.dir, n.manager, n.endWatchdog, n.hangups = d.dir, d.manager, d.endWatchdog, d.hangups
		n.sources, n.asRead, n.served = d.sources, d.asRead, d.served
		n.takesBack = true
		err := n.deliverOnly(ctx)
		if err == nil {
			n.log.Info("the new mount has failed; what is left is delivered by its predecessor",
				"dir", n.dir)
			return n
		}
		again := errors.As(err, new(*statedir.InUseError)) // by another new mount
		if n.log != nil && !again {
			n.log.Error("what the new mount did not deliver waits for the next one", "err", err)
		}
		_ = n.release(nil) // said already
		if !again {
			break
		}
	}
	return nil
}

// successorServes reports whether another process has taken up what waits in a state directory, as
// soon as that is known: a mount has served since there had been served of them, or s3share recover
// runs. It is false if nobody has had the state directory for takebackDelay without that. If ctx
// ends, it is true: nobody is to deliver.
func successorServes(ctx context.Context, stateDir string, served int) bool {
	var free time.Time // since when nobody has the state directory; zero if somebody has
	for {
		holder, err := statedir.ReadLock(stateDir)
		// this process may not have noted its end
		alive := err == nil && holder.PID != os.Getpid() && holder.Alive()
		switch {
		case err == nil && holder.Served != served, alive && holder.Dir == "":
			return true
		case alive:
			free = time.Time{}
		case free.IsZero():
			free = time.Now()
		case time.Since(free) >= takebackDelay:
			return false
		}
		select {
		case <-ctx.Done():
			return true
		case <-time.After(takebackPoll):
		}
	}
}

// deliverOnly does what open does for a daemon whose mount is undone already.
func (d *mountDaemon) deliverOnly(ctx context.Context) error {
	close(d.gone)
	if err := d.acquireDirs(ctx); err != nil {
		return err
	}
	d.registerOutbox()
	if d.settings.Notices {
		d.notices = newNotices(d.dir, d.log)
	}
	if _, err := d.connect(ctx, true); err != nil {
		return err
	}
	// Another exchange may have been mounted on the same directory, which has the socket then.
	if _, _, err := control.FindDaemon(ctx, d.dir, os.Getuid()); err == nil {
		return nil
	}
	socket, err := openControl(d.dir)
	if err != nil {
		d.log.Warn("no command finds the daemon that delivers", "err", err)
		return nil
	}
	d.control = socket
	d.control.serve(d)
	return nil
}
