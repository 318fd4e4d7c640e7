package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/statedir"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
)

func newPause() *cobra.Command {
	return &cobra.Command{
		Use:   "pause [EXCHANGE|DIR]",
		Short: "Stop delivering from a mount, until resume",
		Long: `Stop everything by which a mounted exchange changes the bucket: uploads, removals and
renames. You can still read, and what you write waits on this machine. Requests in
flight are completed; of a large file these are single parts. The pause lasts until s3share resume, even if
the exchange is unmounted and mounted again. Without an argument, do this for all
mounts of this user, and print a line for each, which begins with its directory.
` + exitCodes,
		Example: `  s3share pause team
  s3share resume`,
		Args: argRange(0, 1, ""),
		RunE: func(cmd *cobra.Command, args []string) error {
			return askPause(cmd.OutOrStdout(), args, true)
		},
	}
}

func newResume() *cobra.Command {
	return &cobra.Command{
		Use:   "resume [EXCHANGE|DIR]",
		Short: "Continue to deliver what has waited since pause",
		Long: `End a pause, and deliver what has waited. If pause-on-metered is set and the
connection is metered, deliver on this connection all the same. Without an argument,
do this for all mounts of this user, and print a line for each, which begins with its
directory.
` + exitCodes,
		Args: argRange(0, 1, ""),
		RunE: func(cmd *cobra.Command, args []string) error {
			return askPause(cmd.OutOrStdout(), args, false)
		},
	}
}

// askPause pauses or resumes the deliveries of the mounts and outboxes that are meant.
func askPause(out io.Writer, args []string, pause bool) error {
	ctx, stop := hint.SignalContext()
	defer stop()
	places, err := pausable(ctx, args)
	if err != nil {
		return fmt.Errorf("cannot %s: %w", pauseVerb(pause), err)
	}
	return pauseAll(ctx, out, places, pause)
}

// pauseAll pauses or resumes each of places, also if one of them fails.
func pauseAll(ctx context.Context, out io.Writer, places []control.Target, pause bool) error {
	var all []error
	for _, p := range places {
		a, err := setPause(ctx, p, pause)
		if err == nil && a.Error != "" {
			err = errors.New(a.Error)
		}
		if err != nil {
			all = append(all, fmt.Errorf("cannot %s %s: %w", pauseVerb(pause), placeName(p), err))
			continue
		}
		fmt.Fprintf(out, "%s: %s\n", p, pauseText(p, a))
	}
	return errors.Join(all...)
}

// placeName is what people call p: its directory, as that is one's own also where several mounts
// show one bucket.
func placeName(p control.Target) string {
	if p.State.Dir == "" {
		return p.State.Label()
	}
	return p.String()
}

func pauseVerb(pause bool) string {
	if pause {
		return "pause"
	}
	return "resume"
}

// pausable are the mounts that are meant, or an outbox for which no daemon runs.
func pausable(ctx context.Context, args []string) ([]control.Target, error) {
	places, err := exchangesOf(ctx, args)
	if err == nil || len(args) == 0 || ctx.Err() != nil {
		return places, err
	}
	if p, ok := control.OutboxAt(args[0]); ok && p.Path == "" {
		return []control.Target{p}, nil
	}
	all, _ := control.AllTargets(ctx) // what cannot be looked at is not meant
	for _, p := range all {
		if p.Client == nil && p.State.Daemon == control.DaemonEnded &&
			(p.State.Exchange == args[0] || p.State.Bucket == args[0]) {
			places = append(places, p)
		}
	}
	if len(places) > 0 {
		err = nil
	}
	return places, err
}

func setPause(ctx context.Context, p control.Target,
	pause bool) (a control.PauseAnswer, err error) {
	switch {
	case p.Client != nil && p.Client.Foreign():
		return a, control.NotYourMount(p.State.Dir, p.Client.UID)
	case p.Client != nil:
		err = p.Client.Post(ctx, "/pause", control.PauseRequest{Pause: pause}, &a)
		return a, err
	case p.State.Daemon != control.DaemonEnded:
		return a, hint.With(errors.New(p.State.DaemonText()), p.State.Advice())
	}
	a.Was, a.Paused, a.Files = p.State.Paused != nil, p.State.Paused,
		len(control.Undelivered(p.State.Pending))
	switch {
	case !pause:
		a.Paused = nil
		err = statedir.RemovePaused(p.State.StateDir)
	case !a.Was:
		since := time.Now()
		a.Paused = control.NewPause(&outbox.SuspendedError{Since: since}, p.String())
		err = statedir.WritePaused(p.State.StateDir, since)
	}
	return a, err
}

// pauseText is a line about what a pause or its end has done.
func pauseText(p control.Target, a control.PauseAnswer) string {
	waits := ui.Count(a.Files, "file") + " wait"
	switch {
	case a.Files == 0:
		waits = "nothing waits"
	case a.Files == 1:
		waits += "s"
	}
	switch {
	case a.Paused != nil:
		return hint.OneLine(a.Paused.Reason) + "; " + waits + "; " + hint.OneLine(a.Paused.Hint)
	case !a.Was:
		return "it was not paused; " + waits
	case p.Client == nil:
		p.State.Paused = nil
		if do := p.State.Advice(); do != "" {
			return "not paused any more; " + waits + "; " + do
		}
		return "not paused any more; " + waits
	}
	return "goes on; " + waits
}
