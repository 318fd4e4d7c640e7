package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
)

func newRetry() *cobra.Command {
	return &cobra.Command{
		Use:   "retry [FILE|DIR]",
		Short: "Try now to deliver what is blocked or waits",
		Long: `Try now to deliver FILE, or all files below DIR, instead of waiting for the next
attempt; without an argument, do this for all mounts of this user.
` + exitCodes,
		Args: argRange(0, 1, ""),
		RunE: func(cmd *cobra.Command, args []string) error {
			return askEach(args, "/retry", 0, nil, func(p control.Target,
				a control.FileAnswer) error {
				return printRetried(cmd.OutOrStdout(), p, a)
			})
		},
	}
}

// printRetried says what is tried again, and what is not.
func printRetried(out io.Writer, p control.Target, a control.FileAnswer) error {
	if p.Client == nil {
		return p.NoDaemon("retry")
	}
	rest := map[outbox.State]int{}
	for _, st := range a.Left {
		rest[st.State]++
	}
	notes := []string{}
	if a.Files > 0 {
		notes = append(notes, "trying "+ui.Count(a.Files, "file")+" again")
	}
	for _, of := range []struct {
		state outbox.State
		say   string
	}{
		{outbox.Uploading, "%s being sent already"},
		{outbox.Removing, "%s being removed from the bucket already"},
		{outbox.Open, "%s still open for writing"},
		{outbox.Interrupted, "%s interrupted, which s3share deliver sends"},
	} {
		if n := rest[of.state]; n > 0 {
			notes = append(notes, fmt.Sprintf(of.say, ui.Count(n, "file")))
		}
	}
	if waiting := rest[outbox.Sealed] + rest[outbox.Blocked] - a.Files; waiting > 0 { // begun since
		notes = append(notes, ui.Count(waiting, "file")+" being sent already")
	}
	if len(notes) == 0 {
		if len(a.Left) > 0 { // private files
			notes = append(notes, "nothing waits but private files, which are never sent")
		} else if err := a.File.Problem("retry", p); err != nil {
			return err
		} else {
			_, err := fmt.Fprintf(out, "%s: there is nothing to try again\n",
				a.File.Sentence(p.String()))
			return err
		}
	}
	_, err := fmt.Fprintf(out, "%s: %s\n", p, strings.Join(notes, ", "))
	return err
}
