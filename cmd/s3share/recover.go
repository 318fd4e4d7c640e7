package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/s3share/s3share/cache"
	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/statedir"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
)

func newRecover() *cobra.Command {
	var (
		says    config.Said
		timeout time.Duration
		adopt   bool
	)
	cmd := &cobra.Command{
		Use:   "recover [EXCHANGE]",
		Short: "Deliver what waits in an outbox, without a mount",
		Long: `Deliver what was written to an exchange and is not in the bucket yet, because
the mount ended before: after a crash or a reboot, or with unmount --keep. It
needs no FUSE, and goes on where the mount stopped, as the next mount would.
What cannot be delivered is listed with its reason, stays in the outbox, and the
exit status is 1; it is 1 as well if the exchange is mounted, for then the mount
delivers.

What waits belongs to the bucket that it was written for: its name, its endpoint or
AWS's partition, and its owner once that is known. It is not sent to another one
of the same name, unless --adopt says that it is the same bucket.

EXCHANGE and the settings are those of s3share mount.
` + exitCodes,
		Example: `  s3share recover
  s3share recover team --timeout 10m`,
		Args: takes(0, 1, ""),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				says.Exchange = args[0]
			}
			s, err := says.Resolve()
			if err == nil {
				s.Adopt = adopt
				ctx, stop := hint.UntilSignalOnce()
				defer stop()
				err = Recover(ctx, s, timeout, cmd.OutOrStdout(), cmd.ErrOrStderr())
			}
			if err != nil {
				return fmt.Errorf("cannot recover: %w", err)
			}
			return nil
		},
	}
	says.AddFlags(cmd.Flags())
	for _, name := range []string{"read-only", "uid", "gid", "umask"} { // of files that nobody sees
		_ = cmd.Flags().MarkHidden(name)
	}
	addTimeout(cmd.Flags(), &timeout, " for delivery")
	cmd.Flags().BoolVar(&adopt, "adopt", false, "send what waits to this bucket, though it was written for another or does not say for which")
	return cmd
}

// delivering says that another process delivers.
func delivering(ctx context.Context, by statedir.Tenant) error {
	dir := hint.Printable(string(by.Dir))
	if _, st, err := control.FindDaemon(ctx, string(by.Dir), os.Getuid()); err == nil && !st.Mounted {
		return hint.Advise(fmt.Errorf("the mount on %s is undone, and its daemon (pid %d) still delivers", dir, by.PID), "s3share status shows what is left")
	}
	return hint.Advise(fmt.Errorf("it is mounted on %s, which delivers (pid %d)", dir, by.PID), "s3share wait "+dir+" waits for it")
}

// Recover delivers what waits in the outbox of s. It is a daemon that has no mount.
func Recover(ctx context.Context, s *config.Settings, timeout time.Duration, out, errs io.Writer) (err error) {
	if err := config.SettlePlaces(s); err != nil {
		return ui.Explain(s.Target(), err)
	}
	nothing := func() error {
		_, err := fmt.Fprintf(out, "nothing waits for %s in %s\n", s.Label(), s.StateDir)
		return err
	}
	if _, err := os.Stat(s.StateDir); errors.Is(err, os.ErrNotExist) {
		return nothing()
	}
	d := newDaemon(s, false, errs)
	if err := d.takePlaces(); err != nil {
		var used *statedir.InUseError
		if errors.As(err, &used) && used.By.Dir != "" {
			return delivering(ctx, used.By)
		}
		return errors.Join(err, d.giveBack(nil))
	}
	defer func() { err = errors.Join(err, d.giveBack(nil)) }()
	if owes, err := cache.Owes(s.StateDir); err != nil || !owes {
		return errors.Join(err, nothing())
	}
	d.registerOutbox()
	if _, err := d.connect(ctx); err != nil {
		if ctx.Err() != nil {
			return hint.ErrInterrupted
		}
		return ui.Explain(s.Target(), err)
	}
	deadline := ctx
	if timeout > 0 {
		var cancel context.CancelFunc
		deadline, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	bar := ui.NewProgress(errs)
	last, _ := d.deliver(deadline, nil, bar.Show)
	bar.End()
	beside := d.cache.Conflicts("")
	ui.SayLeft(errs, last.Left)
	ui.SayBeside(errs, beside)
	const stays = "what is left stays in the outbox, for the next mount or recover"
	switch {
	case ctx.Err() != nil:
		return hint.Advise(hint.ErrInterrupted, stays)
	case last.Error != "":
		return errors.New(last.Error)
	case len(last.Left) > 0:
		return hint.Advise(errors.New(ui.LeftText("", last.Left, timeout)), ui.LeftHint(last.Left, stays))
	case len(beside) > 0:
		return hint.Advise(errors.New("all is delivered, but "+ui.BesideText(beside)), ui.BesideHint)
	}
	fmt.Fprintf(out, "all of %s is delivered\n", s.Label())
	return nil
}
