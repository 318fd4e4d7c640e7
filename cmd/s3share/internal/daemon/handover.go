package daemon

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/s3share/s3share/cache/jsonbytes"
	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/mounts"
	"github.com/s3share/s3share/cmd/s3share/internal/statedir"
)

// A daemon whose mount is undone goes on delivering. A new mount with the same state directory
// asks it to hand over: it ends as if it was killed, but in good order. Its requests are cut off,
// its journals are closed, and its lock is free. The new one goes on from the journals. If it does
// not come to serve, the process of before takes back what waits: see takeBack.

const (
	// handoverTimeout is how long a daemon that hands over may take to end.
	handoverTimeout = 30 * time.Second
	// undoneTimeout is how soon a daemon notices that its mount was undone.
	undoneTimeout = 3 * time.Second
	// answerTimeout is how soon a daemon that has the lock answers on its control socket: it may
	// just have begun.
	answerTimeout = 10 * time.Second
	// exitTimeout is how long the kernel may take to free the lock of a process that was killed.
	exitTimeout = time.Second
	// handoverPoll is the time between two checks.
	handoverPoll = 20 * time.Millisecond
)

// errHandedOver ends the last drain of a daemon that has handed over.
var errHandedOver = errors.New("a new mount has taken over what was not delivered yet")

// handOver answers POST /handover. A daemon that still has a mount stays: programs use it.
func (d *mountDaemon) handOver(context.Context, struct{}) control.HandoverAnswer {
	if d.serving.Load() || d.dir == "" {
		return control.HandoverAnswer{}
	}
	d.log.Info("a new mount asks for the outbox")
	d.handedOver.Store(true)
	d.allowLeftovers()
	return control.HandoverAnswer{Ends: true}
}

// lockStateDir locks the state directory. A daemon that only delivers hands it over to a mount.
func (d *mountDaemon) lockStateDir(ctx context.Context) (*os.File, error) {
	s := d.settings
	try := func() (*os.File, *statedir.InUseError, error) {
		var used *statedir.InUseError
		f, err := statedir.Lock(s.StateDir, statedir.LockInfo{Dir: jsonbytes.String(d.dir),
			Exchange: s.Exchange, Private: s.Private})
		errors.As(err, &used)
		return f, used, err
	}
	f, used, err := try()
	if used == nil || d.dir == "" || d.takesBack {
		return f, err
	}
	wait := askHandover(ctx, used.Holder)
	if wait == 0 {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for holder := used.Holder.PID; ; {
		f, used, err = try()
		if used == nil || used.Holder.PID != 0 && used.Holder.PID != holder {
			return f, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(handoverPoll):
		}
	}
}

// askHandover asks the daemon that has the lock to hand over, and returns how long it may take
// until the lock is free; 0 if the daemon stays. It may not know yet that its mount was undone, and
// may be killed at any moment.
func askHandover(ctx context.Context, holder statedir.LockInfo) time.Duration {
	dir := string(holder.Dir)
	if holder.PID == 0 || dir == "" {
		return exitTimeout // it has just ended
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	for began := time.Now(); ; {
		if m, err := mounts.At(dir); err != nil || m != nil && mounts.IsOurs(m) {
			return 0
		}
		link, st, err := control.FindDaemon(ctx, dir, os.Getuid())
		answers := err == nil && st.PID == holder.PID
		if !answers && !holder.Alive() {
			return exitTimeout
		}
		if answers {
			var a control.HandoverAnswer
			switch err := link.Post(ctx, "/handover", struct{}{}, &a); {
			case err != nil: // it may be of an earlier version
				return exitTimeout
			case a.Ends:
				return handoverTimeout
			case time.Since(began) > undoneTimeout:
				return 0
			}
		}
		select {
		case <-ctx.Done():
			return 0
		case <-time.After(handoverPoll):
		}
	}
}
