package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/s3share/s3share/cache/jsonbytes"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
	"github.com/s3share/s3share/s3backend"
)

func newVersions() *cobra.Command {
	m := &transferCmd{verb: "list the versions of"}
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "versions FILE",
		Short: "List the versions of a file that the bucket keeps",
		Long: `List the versions of a file that the bucket keeps, newest first: the beginning of the
version ID, when S3 stored it, its size, and which party uploaded it, if that is known. A
removal is an entry too: "removed".

FILE is a file in a mount, or is named as in a mount: Delivery/q3.csv. It may be removed.
With the version ID, "s3share get FILE@VERSION DIR" fetches an earlier version, and
"s3share restore FILE@VERSION" brings it back. The beginning of the ID, as it is listed,
is enough.

The bucket keeps versions if its owner has turned that on: init --versioning. A client
needs s3:ListBucketVersions to list them, and s3:GetObjectVersion to read one: init
--client-versions allows both.
` + exitCodes,
		Example: `  s3share versions ~/exchange/Delivery/q3.csv
  s3share versions Delivery/q3.csv --exchange team --json`,
		Args: argRange(1, 1, "a file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return listVersions(cmd, m, args[0], asJSON)
		},
	}
	m.addFlags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, a line for each version")
	return cmd
}

func listVersions(cmd *cobra.Command, m *transferCmd, file string, asJSON bool) error {
	ctx, stop := hint.SignalContext()
	defer stop()
	s, name, _, err := m.exchangePath(ctx, file)
	if err != nil {
		return err
	}
	key, err := fileKey(s, name)
	if err != nil {
		return err
	}
	client, err := s3backend.OpenSoon(ctx, s.Backend())
	if err != nil {
		return ui.Explain(s.Destination(), err)
	}
	defer client.CloseIdle()
	h := history{path: name, key: key}
	h.versions, err = client.Versions(ctx, key)
	switch {
	case ctx.Err() != nil:
		return hint.ErrInterrupted
	case err != nil:
		return explainVersions(s, m.verb, key, err)
	case len(h.versions) == 0:
		return errNoVersions(ctx, client, name, key)
	}
	if err := printVersions(ctx, cmd, client, h, asJSON); err != nil {
		return err
	}
	if len(h.versions) == 1 {
		if sentence, _ := keepsNone(ctx, client, h); sentence != "" {
			fmt.Fprintf(cmd.ErrOrStderr(), "s3share: note: %s\n", sentence)
		}
	}
	return nil
}

// versionJSON is a version as --json prints it.
type versionJSON struct {
	Schema     int              `json:"schema"`
	Path       jsonbytes.String `json:"path"`
	Key        jsonbytes.String `json:"key"`
	VersionID  string           `json:"version_id"`
	Short      string           `json:"short"` // enough of the ID to name it
	Time       time.Time        `json:"time"`
	Current    bool             `json:"current"`
	Removed    bool             `json:"removed"`
	Size       *int64           `json:"size,omitempty"`
	ETag       string           `json:"etag,omitempty"`
	Owner      string           `json:"owner,omitempty"`
	UploadedBy string           `json:"uploaded_by,omitempty"`
}

func printVersions(ctx context.Context, cmd *cobra.Command, client *s3backend.Client,
	h history, asJSON bool) error {
	short := h.shortIDs()
	width, sizes := 0, 0
	for _, v := range h.versions {
		width, sizes = max(width, len(short[v.Version])), max(sizes, len(ui.SizeText(v.Size)))
	}
	by := uploaders(ctx, client, h.versions)
	enc := json.NewEncoder(cmd.OutOrStdout())
	enc.SetEscapeHTML(false)
	for i, v := range h.versions {
		if asJSON {
			row := versionJSON{
				Schema: 1, Path: jsonbytes.String(h.path), Key: jsonbytes.String(h.key),
				VersionID: v.Version, Short: short[v.Version],
				Time: v.Modified, Current: v.Latest, Removed: v.Removed, ETag: v.ETag,
				Owner: v.Owner, UploadedBy: by[i],
			}
			if !v.Removed {
				row.Size = &v.Size
			}
			if err := enc.Encode(row); err != nil {
				return err
			}
			continue
		}
		line := fmt.Sprintf("%-*s  %s  ", width, short[v.Version], timeText(v.Modified))
		switch {
		case v.Removed:
			line += "removed"
		default:
			line += fmt.Sprintf("%*s", sizes, ui.SizeText(v.Size))
			if by[i] != "" {
				line += "  by " + by[i]
			}
			if v.Latest {
				line += "  current"
			}
		}
		if _, err := fmt.Fprintln(cmd.OutOrStdout(), line); err != nil {
			return err
		}
	}
	return nil
}

// uploaders returns who has uploaded each version, "" if that is not known. What another account
// has uploaded belongs to it, or to the bucket's owner, who may have set that: so only an upload
// that does not belong to the bucket's owner shows whose it is.
func uploaders(ctx context.Context, client *s3backend.Client, all []s3backend.Version) []string {
	by := make([]string, len(all))
	owner, err := client.Ownership().IsOwner(ctx)
	if err != nil {
		return by
	}
	us, err := client.Ownership().CanonicalID(ctx)
	if err != nil {
		return by
	}
	for i, v := range all {
		switch {
		case v.Owner == "" || v.Removed:
		case owner && v.Owner != us:
			by[i] = "the other party"
		case !owner && v.Owner == us:
			by[i] = "you"
		}
	}
	return by
}
