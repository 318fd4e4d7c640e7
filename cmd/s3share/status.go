package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
)

// statusCmd is what s3share status is asked for.
type statusCmd struct{ json, watch, all bool }

func newStatus() *cobra.Command {
	var st statusCmd
	cmd := &cobra.Command{
		Use:   "status [DIR|FILE]",
		Short: "Show what is mounted, and what is not delivered yet",
		Long: `Show the state of the mount on DIR: first whether S3 answers, then what needs
attention, why, and what to do about it, then what is being delivered. For a FILE, or a
folder in a mount, show how far its delivery is. Without an argument, show all mounts of
this user, and each outbox in which something waits although its mount has ended; s3share
reads these on the disk, without S3.

A file is open for writing (by a program), private (its name never leaves this
machine), waiting (closed, and safe here), uploading, being removed, delivered,
blocked (S3 refuses it; kept here), interrupted (its writer was ended, or got an error;
kept here), in conflict (delivered as a conflict copy) or not removed (S3 refuses to
delete it; shown again).

If S3 cannot be asked about a FILE, it is not known whether it is delivered: status
says so, with the reason, and the exit status is 1, as for a FILE that does not exist.

--json prints a list of objects for scripts, which docs/status-json.md describes: sizes
are in bytes, speeds in bytes a second. --watch shows changes until the mount ends or
you press Ctrl-C: with progress bars on a terminal, otherwise with a line for each.
` + exitCodes,
		Args: argRange(0, 1, ""),
		RunE: st.run,
	}
	cmd.Flags().BoolVar(&st.json, "json", false, "print JSON")
	cmd.Flags().BoolVar(&st.all, "all", false, "list every file, however many there are")
	cmd.Flags().BoolVar(&st.watch, "watch", false, "go on, and show each change")
	return cmd
}

// run carries out status with these arguments.
func (st *statusCmd) run(cmd *cobra.Command, args []string) error {
	if st.json && st.watch {
		return hint.Usage(helpHint(cmd), "--json and --watch do not go together")
	}
	ctx, stop := hint.SignalContext()
	defer stop()
	places, problem := targetsFor(ctx, args)
	if len(args) > 0 && problem != nil {
		return fmt.Errorf("cannot tell the status of %s: %w", args[0], problem)
	}
	if ctx.Err() != nil {
		return hint.ErrInterrupted
	}
	if st.watch && len(places) > 0 {
		return errors.Join(ui.Watch(ctx, places, cmd.OutOrStdout()), problem)
	}
	all := []control.State{}
	for _, p := range places {
		if p.Path != "" && len(p.State.Rows()) == 0 {
			problem = p.State.File.Problem("tell the status of", p)
		}
		p.State.Schema = control.Schema
		all = append(all, p.State)
	}
	var err error
	if st.json {
		enc := json.NewEncoder(cmd.OutOrStdout())
		enc.SetIndent("", "  ")
		err = enc.Encode(all)
	} else if problem == nil || len(args) == 0 && len(all) > 0 {
		err = ui.PrintStates(cmd.OutOrStdout(), all, st.all)
	}
	return errors.Join(problem, err)
}

// targetsFor are the states of the place that args name, or of all mounts and outboxes of
// this user. Its error says what could not be looked at.
func targetsFor(ctx context.Context, args []string) ([]control.Target, error) {
	if len(args) > 0 {
		p, err := control.FindTargetOrOutbox(ctx, args[0])
		if err != nil {
			return nil, err
		}
		return []control.Target{p}, nil
	}
	return control.AllTargets(ctx)
}
