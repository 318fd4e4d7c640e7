package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
)

func newLimit() *cobra.Command {
	return &cobra.Command{
		Use:   "limit [RATE|UP/DOWN|default] [EXCHANGE|DIR]",
		Short: "Show or change how fast a mount sends and receives",
		Long: `Limit how many bytes a second a mounted exchange sends and receives: 5M for each
direction, 5M/20M for up and down, none for no limit. The limit takes effect at once.
It lasts until the mount ends, or until the limits in the config file are changed and
reread. The word default ends it: the settings apply again. Without a rate, show the
limits.

Without an exchange, do this for all mounts of this user, and print a line for each,
which begins with its directory.
` + exitCodes,
		Example: `  s3share limit 5M/20M team
  s3share limit none/2M
  s3share limit team`,
		Args: argRange(0, 2, ""),
		RunE: func(cmd *cobra.Command, args []string) error {
			ask, place, err := limitRequest(args)
			if err != nil {
				return err
			}
			ctx, stop := hint.SignalContext()
			defer stop()
			return askLimits(ctx, cmd.OutOrStdout(), ask, place)
		},
	}
}

// limitRequest reads what is to be done, and where.
func limitRequest(args []string) (ask control.LimitRequest, place []string, err error) {
	if len(args) == 0 {
		return ask, nil, nil
	}
	limits, err := config.ParseLimits(args[0])
	switch {
	case args[0] == "default":
		ask.Default = true
	case err == nil:
		ask.Set = &control.Limits{Upload: limits.Upload, Download: limits.Download}
	case len(args) == 1 && (args[0][0] < '0' || args[0][0] > '9'):
		return ask, args, nil
	default:
		return ask, nil, hint.Usage("", "%w", err)
	}
	return ask, args[1:], nil
}

// askLimits asks the daemons of the mounts that are meant.
func askLimits(ctx context.Context, out io.Writer, ask control.LimitRequest, place []string) error {
	places, err := exchangesOf(ctx, place)
	if err != nil {
		return fmt.Errorf("cannot limit: %w", err)
	}
	return limitAll(ctx, out, places, ask)
}

// limitAll asks the daemon of each of places, also if one of them fails.
func limitAll(ctx context.Context, out io.Writer, places []control.Target,
	ask control.LimitRequest) error {
	var all []error
	for _, p := range places {
		limits, err := setLimits(ctx, p, ask)
		if err != nil {
			all = append(all, fmt.Errorf("cannot limit %s: %w", placeName(p), err))
			continue
		}
		fmt.Fprintf(out, "%s: %s\n", p, ui.LimitsText(limits))
	}
	return errors.Join(all...)
}

func setLimits(ctx context.Context, p control.Target,
	ask control.LimitRequest) (l control.Limits, err error) {
	if p.Client == nil {
		return l, hint.With(errors.New(p.State.DaemonText()), p.State.Advice())
	}
	if p.Client.Foreign() {
		return l, control.NotYourMount(p.State.Dir, p.Client.UID)
	}
	err = p.Client.Post(ctx, "/limit", ask, &l)
	return l, err
}
