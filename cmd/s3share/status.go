package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/s3share/s3share/cache/outbox"
)

// stateWords tell people what a state means.
var stateWords = map[outbox.State]string{
	outbox.Open:        "open for writing",
	outbox.Local:       "a private name, never sent",
	outbox.Sealed:      "waiting to be sent",
	outbox.Uploading:   "being sent",
	outbox.Removing:    "being removed",
	outbox.Blocked:     "cannot be delivered",
	outbox.Interrupted: "not sent: its writer was interrupted",
	outbox.Conflict:    "delivered beside the other party's version",
}

func newStatus() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status [DIR]",
		Short: "Tell what is mounted, and what is not delivered yet",
		Long: `Tell what the mount on DIR has not delivered yet, and why. Without DIR, tell
of all mounts of this user. --json prints a list of objects for scripts.
` + exitCodes,
		Args: takes(0, 1, ""),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := untilSignalOnce()
			defer stop()
			all, err := statesOf(ctx, args)
			if err != nil {
				return err
			}
			if asJSON {
				enc := json.NewEncoder(cmd.OutOrStdout())
				enc.SetIndent("", "  ")
				return enc.Encode(all)
			}
			return printStates(cmd.OutOrStdout(), all)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// statesOf asks the daemon of the mount that args names, or all of this user's.
func statesOf(ctx context.Context, args []string) ([]state, error) {
	if len(args) == 0 {
		all := allDaemons(ctx, os.Getuid())
		if all == nil {
			all = []state{}
		}
		return all, nil
	}
	dir, err := resolveDir(args[0])
	if err != nil {
		return nil, fmt.Errorf("cannot tell the status of %s: %w", args[0], err)
	}
	uids := []int{os.Getuid()}
	m, err := mountAt(dir)
	if err == nil && m != nil && ownerOf(m) >= 0 {
		uids = append(uids, ownerOf(m))
	}
	_, st, err := findDaemon(ctx, dir, uids...)
	if errors.Is(err, errNoDaemon) {
		switch {
		case m == nil:
			err = notMounted(dir)
		case !ours(m):
			err = fmt.Errorf("it is not a mount of s3share, but of %s (%s)", m.Source, m.FSType)
		default:
			err = advise(err, "if it is gone for good, s3share unmount "+dir+" undoes its mount")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("cannot tell the status of %s: %w", dir, err)
	}
	return []state{st}, nil
}

func printStates(out io.Writer, all []state) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(out, "nothing is mounted")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for i, st := range all {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s\n", headline(st))
		if len(st.Owed) == 0 {
			fmt.Fprintln(w, "  all is delivered")
		}
		rows := slices.Concat(st.Owed, st.Beside)
		if len(rows) == 0 {
			continue
		}
		fmt.Fprintln(w, "  FILE\tSIZE\tSENT\tSTATE")
		for _, o := range rows {
			words := stateWords[o.State]
			if words == "" {
				words = string(o.State)
			}
			if o.Reason != "" {
				words += ": " + oneLine(o.Reason)
			}
			fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", shown(o), sizeText(o.Size), sizeText(o.Sent), words)
		}
	}
	return w.Flush()
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

// shown is how a file is named to people, on one line.
func shown(st outbox.Status) string {
	name := st.Path
	if name == "" {
		name = st.Key
	}
	return printable(name)
}

// printable keeps a name from speaking to the terminal.
func printable(name string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, name)
}
