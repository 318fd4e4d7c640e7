package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/s3share/s3share/cmd/s3share/internal/demo"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
)

func newDemo() *cobra.Command {
	var once bool
	cmd := &cobra.Command{
		Use:   "demo [DIR]",
		Short: "Show an exchange between two accounts, all on this machine",
		Long: `Show an exchange between two accounts, all on this machine: a bucket of its
own, with the policies and object ACLs of S3, and both parties' mounts side by
side in DIR (default: ./exchange-demo). It sends files both ways, and shows what
happens to an upload without the ACL. Then you can try both mounts yourself, until
Ctrl-C ends the demo and removes everything that it made.
` + exitCodes,
		Args: argRange(0, 1, ""),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := "exchange-demo"
			if len(args) == 1 {
				dir = args[0]
			}
			ctx, stop := hint.SignalContext()
			defer stop()
			if err := demo.Run(ctx, dir, once, cmd.OutOrStdout()); err != nil {
				return fmt.Errorf("the demo failed: %w", err)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&once, "once", false,
		"end after the last step; the exit status is 0 if all steps went as expected")
	return cmd
}
