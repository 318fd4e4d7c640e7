package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
)

func newWhy() *cobra.Command {
	var verbose bool
	cmd := &cobra.Command{
		Use:   "why FILE",
		Short: "Show why a file is not delivered, and what to do",
		Long: `Show how far the delivery of FILE is, why it is not delivered, S3's error code, and
what can be done about it. --verbose adds the full error and the request ID, for which
an administrator or AWS support may ask.
` + exitCodes,
		Args: argRange(1, 1, "a file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := hint.SignalContext()
			defer stop()
			p, err := control.FindTargetOrOutbox(ctx, args[0])
			if err != nil {
				return fmt.Errorf("cannot explain %s: %w", args[0], err)
			}
			return printWhy(cmd.OutOrStdout(), p, verbose)
		},
	}
	cmd.Flags().BoolVarP(&verbose, "verbose",
		"v", false, "add the error in full and the request id")
	return cmd
}

// printWhy says of each file at p why it waits, or what is known where none does.
func printWhy(out io.Writer, p control.Target, verbose bool) error {
	rows := p.State.Rows()
	switch {
	case len(rows) == 0 && p.Path == "":
		_, err := fmt.Fprintf(out, "%s: %s\n", p, ui.NothingPendingText(&p.State))
		return err
	case len(rows) == 0:
		if err := p.State.File.Problem("say why", p); err != nil {
			return err
		}
		_, err := fmt.Fprintf(out, "%s\n", p.State.File.Sentence(p.String()))
		return err
	}
	for _, o := range rows {
		fmt.Fprintf(out, "%s: %s\n", ui.NameText(o), ui.StateText(o))
		fmt.Fprintf(out, "  because: %s\n", ui.ReasonIn(&p.State, o))
		if o.Code != "" {
			fmt.Fprintf(out, "  S3 says: %s\n", hint.OneLine(o.Code))
		}
		if do := ui.Advice(o, p.State); do != "" {
			fmt.Fprintf(out, "  to do:   %s\n", hint.OneLine(do))
		}
		if !verbose {
			continue
		}
		if o.RequestID != "" {
			fmt.Fprintf(out, "  request: %s\n", hint.OneLine(o.RequestID))
		}
		if o.Detail != "" {
			fmt.Fprintf(out, "  error:   %s\n", hint.OneLine(o.Detail))
		}
	}
	return nil
}
