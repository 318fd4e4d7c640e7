package main

import (
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/s3share/s3share/cmd/s3share/internal/hint"
)

const exitCodes = `
Exit status: 0 done, 1 failed, 2 used wrongly; take any other for a failure.`

// newRoot makes the command tree, which writes to out and errs.
func newRoot(out, errs io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:   "s3share",
		Short: "Exchange files with another party through one S3 bucket, as a folder",
		Long: `s3share mounts an exchange, the S3 bucket through which two parties pass each
other files, as a folder. What is copied into it is delivered whole, under its
final name, and so that the bucket's owner can read it.

    s3share mount ~/exchange
    cp q3.csv ~/exchange/Delivery/
    s3share unmount ~/exchange          # waits until all is delivered
` + exitCodes,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			advice := "s3share --help lists the commands"
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
				advice = "did you mean " + strings.Join(near, " or ") + "?"
			}
			return hint.Usage(advice, "unknown command %q", args[0])
		},
		RunE:                       func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceErrors:              true,
		SilenceUsage:               true,
		SuggestionsMinimumDistance: 2,
	}
	root.SetOut(hint.EscapingWriter(out))
	root.SetErr(hint.EscapingWriter(errs))
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return hint.Usage(helpHint(cmd), "%w", err)
	})
	root.AddCommand(newInit(), newJoin(), newPolicy())
	root.AddCommand(newMount(), newUnmount(), newStatus(), newWait(), newWhy(), newRetry(), newDeliver(), newDoctor(), newRepair(), newRecover(), newPut(), newGet(), newLogin(), newDemo(), newVersion())
	return root
}

// argRange accepts from least to most arguments; what names them for the message.
func argRange(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return hint.Usage(helpHint(cmd), "%s needs %s", cmd.Name(), what)
		case len(args) > most:
			return hint.Usage(helpHint(cmd), "%s does not know what to do with %q", cmd.Name(), args[most])
		}
		return nil
	}
}

func helpHint(cmd *cobra.Command) string {
	return cmd.CommandPath() + " --help tells how it is used"
}
