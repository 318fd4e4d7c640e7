package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
)

func newDeliver() *cobra.Command {
	return &cobra.Command{
		Use:   "deliver FILE|DIR",
		Short: "Deliver an interrupted file as it is",
		Long: `Deliver FILE as it is, although it is interrupted: the program that wrote it was
ended by a signal, was still writing when s3share ended, or got an error from a write.
With DIR, deliver all such files below it. Writing the file again resolves it as well.
` + exitCodes,
		Args: argRange(1, 1, "a file or a folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return askEach(args, "/deliver", 0, nil, func(p control.Target,
				a control.FileAnswer) error {
				return printDelivering(cmd.OutOrStdout(), p, a)
			})
		},
	}
}

// printDelivering says what is delivered as it is, or why nothing is.
func printDelivering(out io.Writer, p control.Target, a control.FileAnswer) error {
	if p.Client == nil {
		return p.NoDaemon("deliver")
	}
	if a.Files > 0 {
		_, err := fmt.Fprintf(out, "%s: delivering %s\n", p, ui.Count(a.Files, "file"))
		return err
	}
	if len(a.Left) > 0 {
		return fmt.Errorf("nothing at %s is interrupted: %q is %s", p, ui.NameText(a.Left[0]),
			ui.StateText(a.Left[0]))
	}
	if err := a.File.Problem("deliver", p); err != nil {
		return err
	}
	return fmt.Errorf("nothing at %s is interrupted: %s", p, a.File.Sentence("it"))
}
