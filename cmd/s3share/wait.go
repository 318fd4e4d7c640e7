package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
)

func newWait() *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "wait [FILE|DIR]",
		Short: "Wait until S3 has confirmed a file, or all below a folder",
		Long: `Wait until S3 has confirmed FILE, or all that was written below DIR: then the
other party can read it. What cannot be delivered by waiting is listed with its
reason, and so is what went beside the other party's version because both have
changed it: then the exit status is 1. It is 1 as well where there is no such file, or
where S3 cannot say whether it is delivered. Without an argument, wait for every mount
of this user.
` + exitCodes,
		Args: argRange(0, 1, ""),
		RunE: func(cmd *cobra.Command, args []string) error {
			return askEach(args, "/wait", timeout, func(p control.Target, a control.FileAnswer) error {
				ui.PrintUndelivered(cmd.ErrOrStderr(), a.Left)
				ui.PrintConflicts(cmd.ErrOrStderr(), a.Conflicts)
				switch {
				case len(a.Left) > 0 && p.Client == nil:
					return hint.With(fmt.Errorf("not all of %s is delivered: %s", p, p.State.DaemonText()), p.State.Advice())
				case len(a.Left) > 0:
					return hint.With(errors.New(ui.UndeliveredText(p.String(), a.Left, timeout)), ui.UndeliveredHint(a.Left, ""))
				case len(a.Conflicts) > 0:
					return hint.With(fmt.Errorf("%s is delivered, but %s", p, ui.ConflictsText(a.Conflicts)), ui.ConflictsHint)
				}
				if p.Client == nil && p.Path == "" { // nothing waits there
					return nil
				}
				return a.File.Problem("wait for", p)
			})
		},
	}
	addTimeout(cmd.Flags(), &timeout, "")
	return cmd
}
