package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/s3share/s3share/cache"
	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/statedir"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
)

// delivering is the error that another process delivers.
func delivering(ctx context.Context, by statedir.LockInfo) error {
	dir := hint.Printable(string(by.Dir))
	if _, st, err := control.FindDaemon(ctx, string(by.Dir), os.Getuid()); err == nil &&
		!st.Mounted {
		return hint.With(
			fmt.Errorf("the mount on %s is undone, and its daemon (pid %d) still delivers",
				dir, by.PID), "s3share status shows what is left")
	}
	return hint.With(fmt.Errorf("it is mounted on %s, which delivers (pid %d)", dir, by.PID),
		"s3share wait "+dir+" waits for it")
}

// Recover delivers what waits in the outbox of s. It is a daemon that has no mount.
func Recover(ctx context.Context, s *config.Settings, timeout time.Duration, out,
	errs io.Writer) (err error) {
	if err := config.FillPaths(s); err != nil {
		return ui.Explain(s.Destination(), err)
	}
	nothing := func() error {
		_, err := fmt.Fprintf(out, "nothing waits for %s in %s\n", s.Label(), s.StateDir)
		return err
	}
	if _, err := os.Stat(s.StateDir); errors.Is(err, os.ErrNotExist) {
		return nothing()
	}
	d := newDaemon(s, false, errs)
	if err := d.acquireDirs(ctx); err != nil {
		var used *statedir.InUseError
		if errors.As(err, &used) && used.Holder.Dir != "" {
			return delivering(ctx, used.Holder)
		}
		return errors.Join(err, d.release(nil))
	}
	defer func() { err = errors.Join(err, d.release(nil)) }()
	if owes, err := cache.Owes(s.StateDir); err != nil || !owes {
		return errors.Join(err, nothing())
	}
	d.registerOutbox()
	if _, err := d.connect(ctx, false); err != nil {
		if ctx.Err() != nil {
			return hint.ErrInterrupted
		}
		return ui.Explain(s.Destination(), err)
	}
	deadline := ctx
	if timeout > 0 {
		var cancel context.CancelFunc
		deadline, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	bar := ui.NewProgress(errs)
	var tally control.Tally
	last, _ := d.deliver(deadline, nil, &tally, bar.Show)
	bar.End()
	d.count(&tally, &last)
	d.noteReasons()
	ui.PrintDelivered(out, last.Done, last.DoneBytes, tally.Took())
	beside := d.unresolved("")
	ui.PrintUndelivered(errs, last.Left)
	ui.PrintUnresolved(errs, beside)
	const stays = "what is left stays in the outbox, for the next mount or recover"
	switch {
	case ctx.Err() != nil:
		return hint.With(hint.ErrInterrupted, stays)
	case last.Error != "":
		return errors.New(last.Error)
	case len(last.Left) > 0:
		return hint.With(errors.New(ui.UndeliveredText("", last.Left, timeout)),
			ui.UndeliveredHint(last.Left, stays))
	case len(beside) > 0:
		return hint.With(errors.New("all is delivered, but "+ui.UnresolvedText(beside)),
			ui.UnresolvedHint(beside))
	}
	return nil
}
