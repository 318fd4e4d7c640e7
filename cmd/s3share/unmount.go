package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/moby/sys/mountinfo"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/mounts"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
)

func newUnmount() *cobra.Command {
	var ask control.UnmountRequest
	cmd := &cobra.Command{
		Use:     "unmount DIR",
		Aliases: []string{"umount"},
		Short:   "Wait until all is delivered, then unmount DIR",
		Long: `Wait until all that was written to the mount on DIR is delivered, then unmount
it. If something cannot be delivered, it is listed with its reason, DIR stays
mounted and the exit status is 1. With --keep, DIR is unmounted all the same,
and what is left stays in the outbox. Nothing that was written is thrown away.

With --keep, unmount waits only while deliveries make progress. It stops waiting when
S3 has refused the credentials for 5 seconds or has not answered for 10, when all that
is left has failed and nothing made progress for 15 seconds, and after 2 minutes without
any progress.

Files that both parties have changed are listed too: both versions are in the
bucket, yours as a conflict copy. DIR is unmounted, and the exit status is 1.
` + exitCodes,
		Args: argRange(1, 1, "the directory that is mounted on"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := hint.SignalContext()
			defer stop()
			return unmount(ctx, args[0], ask, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().BoolVar(&ask.Keep, "keep",
		false, "undo the mount even if something cannot be delivered")
	addTimeout(cmd.Flags(), &ask.Timeout, " for delivery")
	return cmd
}

func unmount(ctx context.Context, name string, ask control.UnmountRequest,
	out, errs io.Writer) error {
	dir, err := mounts.ResolveDir(name)
	if err != nil {
		return fmt.Errorf("cannot unmount %s: %w", name, err)
	}
	// Standing in the mount, this very process would keep it from being undone.
	if err := os.Chdir("/"); err != nil {
		return err
	}
	err = askUnmount(ctx, dir, ask, out, errs)
	var un *unmountedError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &un):
		return fmt.Errorf("%s is unmounted, but %w", dir, err)
	}
	return fmt.Errorf("cannot unmount %s: %w", dir, err)
}

// unmountedError is an error beside which the mount was undone.
type unmountedError struct{ error }

func (u *unmountedError) Unwrap() error { return u.error }

func askUnmount(ctx context.Context, dir string, ask control.UnmountRequest,
	out, errs io.Writer) error {
	m, err := mounts.At(dir)
	if err != nil {
		return err
	}
	if m != nil && !mounts.IsOurs(m) {
		return hint.With(fmt.Errorf("it is not a mount of s3share, but of %s (%s)",
			m.Source, m.FSType), "umount undoes it")
	}
	link, st, err := control.FindDaemon(ctx, dir, control.DaemonUIDs(m)...)
	switch {
	case err == nil:
	case !errors.Is(err, control.ErrNoDaemon):
		return err
	case m == nil:
		return control.NotMounted(dir)
	default:
		return unmountWithoutDaemon(dir, m, errs)
	}
	if held := mounts.Users(dir); st.Mounted && len(held) > 0 {
		return busyError(held)
	}
	bar, began := ui.NewProgress(errs), time.Now()
	last, err := link.Unmount(ctx, ask, bar.Show)
	bar.End()
	ui.PrintDelivered(out, last.Done, last.DoneBytes, time.Since(began))
	if ctx.Err() != nil && last.Outcome != control.OutcomeUnmounted {
		return interruptedOutcome(dir, st, last)
	}
	if err != nil {
		// It was undone before the daemon ended.
		if m, merr := mounts.At(dir); m == nil && merr == nil {
			return outboxLeftover(dir, errs)
		}
		return err
	}
	return unmountOutcome(dir, last, ask, errs)
}

// interruptedOutcome says how things stand after an unmount that was interrupted: what the daemon
// said last, or else what the kernel shows.
func interruptedOutcome(dir string, st control.State, last control.Event) error {
	goesOn := fmt.Sprintf("its daemon (pid %d) goes on delivering, as s3share status shows", st.PID)
	m, err := mounts.At(dir)
	switch {
	case last.Outcome == control.OutcomeCancelled || last.Outcome == control.OutcomeLeft ||
		last.Outcome == control.OutcomeBusy:
		return hint.With(hint.ErrInterrupted, "it stays mounted, and goes on delivering")
	case last.Phase == control.PhaseFinishing || err == nil && m == nil:
		return &unmountedError{hint.With(errors.New("not all is delivered yet"), goesOn)}
	case err != nil:
		return fmt.Errorf("interrupted, and it is not known whether it is still mounted: %w", err)
	}
	return hint.With(hint.ErrInterrupted,
		"it is still mounted, but its daemon did not say whether it stays so")
}

// unmountOutcome tells how an unmount went that the daemon has carried out.
func unmountOutcome(dir string, last control.Event,
	ask control.UnmountRequest, errs io.Writer) error {
	ui.PrintUnresolved(errs, last.Unresolved)
	switch last.Outcome {
	case control.OutcomeBusy:
		return busyError(mounts.Users(dir))
	case control.OutcomeFailed:
		return errors.New(last.Error)
	case control.OutcomeLeft:
		ui.PrintUndelivered(errs, last.Left)
		return hint.With(errors.New(ui.UndeliveredText("", last.Left, ask.Timeout)),
			ui.UndeliveredHint(last.Left,
				"it stays mounted; with --keep it is undone, and what is left stays in the outbox"))
	case control.OutcomeUnmounted:
		if len(last.Left) > 0 {
			ui.PrintUndelivered(errs, last.Left)
			return &unmountedError{errors.New(
				"not all was delivered: what is listed stays in the outbox")}
		}
		if last.Error != "" {
			return &unmountedError{errors.New(last.Error)}
		}
		if len(last.Unresolved) > 0 {
			return &unmountedError{hint.With(errors.New(ui.UnresolvedText(last.Unresolved)),
				ui.UnresolvedHint(last.Unresolved))}
		}
		return nil
	}
	return fmt.Errorf("the daemon said %q, which this version does not know", last.Outcome)
}

// unmountWithoutDaemon undoes a mount whose daemon does not answer.
func unmountWithoutDaemon(dir string, m *mountinfo.Info, errs io.Writer) error {
	if mounts.IsDead(dir) {
		if err := mounts.Unmount(dir, mounts.Lazy); err != nil {
			return err
		}
		fmt.Fprintf(errs,
			"s3share: note: undid the mount on %s, whose daemon was gone\n", hint.Printable(dir))
		return outboxLeftover(dir, errs)
	}
	err := mounts.Unmount(dir, mounts.IfIdle)
	if errors.Is(err, unix.EBUSY) {
		return busyError(mounts.Users(dir))
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(errs, "s3share: note: undid the mount of %s on %s, whose daemon does not answer\n",
		hint.Printable(m.Source), hint.Printable(dir))
	return outboxLeftover(dir, errs)
}

// outboxLeftover says what a mount has left in its outbox that was undone without its daemon.
func outboxLeftover(dir string, errs io.Writer) error {
	p, ok := control.OutboxAt(dir)
	if !ok || p.Path != "" {
		return &unmountedError{errors.New(
			"it is not known whether all was delivered: its outbox was not found")}
	}
	left := control.Undelivered(p.State.Pending)
	if len(left) == 0 {
		return nil
	}
	ui.PrintUndelivered(errs, left)
	return &unmountedError{hint.With(
		errors.New("not all was delivered: what is listed stays in the outbox"), p.State.Advice())}
}

func busyError(held []mounts.User) error {
	err := errors.New("it is in use")
	if len(held) > 0 {
		err = fmt.Errorf("it is in use by %s", mounts.UsersText(held))
	}
	return hint.With(err, "close what is open there and leave the directory, then try again")
}
