package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/s3share/s3share/cache/outbox"
)

func newStatus() *cobra.Command {
	var asJSON, watching bool
	cmd := &cobra.Command{
		Use:   "status [DIR|FILE]",
		Short: "Tell what is mounted, and what is not delivered yet",
		Long: `Tell what the mount on DIR has not delivered yet, and why; or of one FILE, or
what is below a folder, where it is on its way. Without an argument, tell of all
mounts of this user.

A file is open (a program writes it), private (its name never leaves this
machine), sealed (closed, and safe here), uploading, removing, delivered, blocked
(S3 refuses it; kept here), interrupted (its writer was ended; kept here) or in
conflict (delivered beside the other party's version).

Where S3 cannot be asked about a FILE, it is not known whether it is delivered: that
is said with its reason, and the exit status is 1, as for a FILE that is not there.

--json prints a list of objects for scripts: sizes and sent are in bytes, speed in
bytes a second, and a byte of a name that is no UTF-8 is a lone surrogate, as Python
reads it. --watch goes on, with bars on a terminal and else with a line for
each change, until the mount is undone or Ctrl-C.
` + exitCodes,
		Args: takes(0, 1, ""),
		RunE: func(cmd *cobra.Command, args []string) error {
			if asJSON && watching {
				return misuse(helpHint(cmd), "--json and --watch do not go together")
			}
			ctx, stop := untilSignalOnce()
			defer stop()
			places, err := placesOf(ctx, args)
			if err != nil {
				if len(args) == 0 {
					return err
				}
				return fmt.Errorf("cannot tell the status of %s: %w", args[0], err)
			}
			if watching && len(places) > 0 {
				return watchPlaces(ctx, places, cmd.OutOrStdout())
			}
			all := []state{}
			var problem error
			for _, p := range places {
				if p.path != "" && len(p.state.rows()) == 0 {
					problem = p.state.File.problem("tell the status of", p)
				}
				all = append(all, p.state)
			}
			if asJSON {
				enc := json.NewEncoder(cmd.OutOrStdout())
				enc.SetIndent("", "  ")
				err = enc.Encode(all)
			} else if problem == nil {
				err = printStates(cmd.OutOrStdout(), all)
			}
			return errors.Join(problem, err)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&watching, "watch", false, "go on, and show each change")
	return cmd
}

// rows are the files to tell people of.
func (st *state) rows() []outbox.Status { return slices.Concat(st.Owed, st.Beside) }

func headline(st state) string {
	what := st.Bucket
	if st.Exchange != "" && st.Exchange != st.Bucket {
		what = st.Exchange + ", the bucket " + st.Bucket
	}
	if st.ReadOnly {
		what += ", read-only"
	}
	if !st.Mounted {
		what += ", no longer mounted, still delivering"
	}
	return fmt.Sprintf("%s (%s)", st.Dir, what)
}

// nameOf is how a file is called.
func nameOf(st outbox.Status) string { return cmp.Or(st.Path, st.Key) }

// shown is how a file is named to people, on one line.
func shown(st outbox.Status) string { return printable(nameOf(st)) }
