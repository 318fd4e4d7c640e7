package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/daemon"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
)

func newRecover() *cobra.Command {
	var (
		cl      config.CommandLine
		timeout time.Duration
		adopt   bool
	)
	cmd := &cobra.Command{
		Use:   "recover [EXCHANGE]",
		Short: "Deliver what waits in an outbox, without a mount",
		Long: `Deliver what was written to an exchange and is not in the bucket yet because
the mount ended before: by a crash, a reboot or unmount --keep. It needs no FUSE,
and continues where the mount stopped, as the next mount would.
What cannot be delivered is listed with its reason and stays in the outbox, and the
exit status is 1. It is also 1 if the exchange is mounted, since then the mount
delivers.

The outbox records the bucket that it was written for: its name, its endpoint or
AWS partition, and its owner once that is known. What waits is not sent to another
bucket of the same name, unless --adopt says that it is the same bucket.

EXCHANGE and the settings are those of s3share mount.
` + exitCodes,
		Example: `  s3share recover
  s3share recover team --timeout 10m`,
		Args: argRange(0, 1, ""),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				cl.Exchange = args[0]
			}
			s, err := cl.Resolve()
			if err == nil {
				s.Adopt = adopt
				ctx, stop := hint.SignalContext()
				defer stop()
				err = daemon.Recover(ctx, s, timeout, cmd.OutOrStdout(), cmd.ErrOrStderr())
			}
			if err != nil {
				return fmt.Errorf("cannot recover: %w", err)
			}
			return nil
		},
	}
	cl.AddFlags(cmd.Flags())
	for _, name := range []string{"read-only", "uid", "gid", "umask"} { // of files that nobody sees
		_ = cmd.Flags().MarkHidden(name)
	}
	addTimeout(cmd.Flags(), &timeout, " for delivery")
	cmd.Flags().BoolVar(&adopt, "adopt", false,
		"send what waits to this bucket, although it was written for another, or does not name one")
	return cmd
}
