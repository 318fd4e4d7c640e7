package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
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

--json prints a list of objects for scripts: sizes and sent are in bytes, speed in
bytes a second. --watch goes on, with bars on a terminal and else with a line for
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
			if err == nil && len(args) > 0 {
				err = places[0].exists()
			}
			if err != nil {
				if len(args) == 0 {
					return err
				}
				return fmt.Errorf("cannot tell the status of %s: %w", args[0], err)
			}
			all := []state{}
			for _, p := range places {
				all = append(all, p.state)
			}
			switch {
			case watching && len(places) > 0:
				return watchPlaces(ctx, places, cmd.OutOrStdout())
			case asJSON:
				enc := json.NewEncoder(cmd.OutOrStdout())
				enc.SetIndent("", "  ")
				return enc.Encode(all)
			}
			return printStates(cmd.OutOrStdout(), all)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&watching, "watch", false, "go on, and show each change")
	return cmd
}

// keep keeps what st tells of the file or folder at path, "" for all.
func (st *state) keep(path string) {
	st.Path = path
	if path == "" {
		return
	}
	st.Owed = slices.DeleteFunc(st.Owed, func(o outbox.Status) bool { return !within(o.Path, path) })
	st.Beside = slices.DeleteFunc(st.Beside, func(o outbox.Status) bool { return !within(o.Path, path) && !within(o.Theirs, path) })
}

// rows are the files to tell people of.
func (st *state) rows() []outbox.Status { return slices.Concat(st.Owed, st.Beside) }

// exists tells why there is nothing at p, if that is so. Only its own user may look.
func (p place) exists() error {
	if p.path == "" || len(p.state.rows()) > 0 {
		return nil
	}
	_, err := os.Lstat(p.String())
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("there is no such file in the exchange")
	}
	return nil
}

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
