package daemon

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/mounts"
)

// forceUnmount unmounts, even if programs use the mount.
func (d *mountDaemon) forceUnmount() {
	err := d.server.Unmount()
	if err == nil {
		<-d.gone
		return
	}
	d.log.Warn("the mount is in use; it is undone all the same",
		"err", err, "holders", mounts.UsersText(mounts.Users(d.dir)))
	if err := mounts.Unmount(d.dir, mounts.Lazy); err != nil {
		d.log.Error("cannot undo the mount", "err", err)
		return
	}
	d.serving.Store(false) // though programs may hold it still, and gone stay open
}

// finalDrain delivers what is pending after the unmount. There is no time limit, but after a
// signal it is drainTimeout.
func (d *mountDaemon) finalDrain(signalled context.Context) error {
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	defer work.Wait()
	defer cancel()
	d.endHandles(ctx, &work)
	work.Go(func() {
		select {
		case <-d.skipDrain:
		case <-ctx.Done():
		case <-signalled.Done():
			select {
			case <-time.After(drainTimeout):
			case <-d.skipDrain:
			case <-ctx.Done():
			}
		}
		cancel()
	})
	err := d.deliveries.DrainLast(ctx)
	if errors.Is(err, context.Canceled) {
		if left := control.Undelivered(d.deliveries.Status()); len(left) > 0 {
			if d.handedOver.Load() {
				return errHandedOver
			}
			return &outbox.LeftError{Left: left}
		}
		return nil
	}
	return err
}

// endHandles ends the handles of the mount as soon as the kernel has it no more. That is now,
// unless a signal has undone it while programs use it; then work has the goroutine that waits for
// that.
func (d *mountDaemon) endHandles(ctx context.Context, work *sync.WaitGroup) {
	select {
	case <-d.gone:
		d.cache.EndHandles()
		return
	default:
	}
	work.Go(func() {
		select {
		case <-d.gone:
			d.cache.EndHandles()
		case <-ctx.Done():
		}
	})
}

// release releases all that start has taken. last is called before the
// state directory is free for another daemon.
func (d *mountDaemon) release(last func() error) error {
	var errs []error
	if d.serving.Load() {
		d.forceUnmount()
	}
	for _, end := range []func(){d.endContact, d.endLimits, d.endInhibit, d.endMetered,
		d.endArrivals, d.endActs, d.endBookmark} {
		if end != nil {
			end()
		}
	}
	if d.cache != nil {
		errs = append(errs, d.cache.Close())
		d.noteOwner() // who is found out to be it while the mount serves
	}
	if err := d.recording.Close(); err != nil {
		d.log.Warn(
			"not all that was delivered and received is recorded; the next mount records what is known", "err", err)
	}
	d.notices.close()
	if last != nil {
		errs = append(errs, last())
	}
	if d.control != nil {
		d.control.unlink() // a new mount makes its own as soon as the lock is free
	}
	if d.lock != nil {
		d.releaseOutbox()
		errs = append(errs, d.lock.Close())
	}
	close(d.ended)
	if d.control != nil {
		errs = append(errs, d.control.close())
	}
	if d.logFile != nil {
		errs = append(errs, d.logFile.Close())
	}
	return errors.Join(errs...)
}

// exitNow ends the process at once, and leaves no dead mount.
func (d *mountDaemon) exitNow() {
	if d.serving.Load() {
		_ = mounts.Unmount(d.dir, mounts.Lazy)
	}
	os.Exit(hint.ExitFailed)
}
