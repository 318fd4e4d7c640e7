package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/s3share/s3share/cache/transfer"
	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/s3backend"
)

// canFetchInto returns an error if something else than a directory has a name, or none can be made
// there.
func canFetchInto(dir string) error {
	const advice = "name a directory, which is made if it is not there"
	info, err := os.Stat(dir)
	switch {
	case err == nil && !info.IsDir():
		return hint.With(fmt.Errorf("%s is not a directory", dir), advice)
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: %w", dir, hint.WithoutPath(err))
	}
	if parent := filepath.Dir(dir); parent != "." {
		if _, err := os.Stat(parent); err != nil {
			return hint.With(fmt.Errorf("%s: %w", parent, hint.WithoutPath(err)),
				"make it first: only the last directory of the path is made")
		}
	}
	return nil
}

func newGet() *cobra.Command {
	m := transferCmd{verb: "get", past: "fetched"}
	var version string
	cmd := &cobra.Command{
		Use:   "get KEY|FOLDER DIR",
		Short: "Fetch a file or a folder, without a mount",
		Long: `Fetch an object, or everything in a folder of an exchange, into a directory, without
a mount: in a container, in CI, or where there is no FUSE. DIR is created if it does not
exist. A file appears in it only when it is complete, with the bytes of one version: if
the object is replaced meanwhile, the new version is fetched from its beginning.

get replaces a file in DIR only if an earlier get has written it and nobody has changed
it since. Otherwise a different object is written next to it, as "NAME (conflict TIME)",
and the exit status is 1. Nothing is created outside of DIR, whatever the keys are, and
no symbolic link in it is followed. Names are those that a mount shows.

You can stop get and run it again at any time: it does not fetch again what is already
there, by its ETag or checksum, and continues a large object where it stopped.

KEY and FOLDER are in a mount, or are named as in a mount: Submissions/q3.csv,
Submissions.

KEY@VERSION is an earlier version, if no file has that very name: "s3share versions"
lists them. It is fetched as "NAME (version VERSION)", and the file is read-only.
` + exitCodes + `
A file that is not fetched, or goes beside another version, is a failure.`,
		Example: `  s3share get Submissions/q3.csv .
  s3share get Submissions in --exchange team
  s3share get Submissions/q3.csv@3sL4kqtJ .`,
		Args: argRange(2, 2, "a key or a folder, and a directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runGet(cmd, &m, args, version)
		},
	}
	m.addFlags(cmd)
	cmd.Flags().StringVar(&version, "version",
		"", "the `VERSION` to fetch; then the whole of KEY is the file's name")
	return cmd
}

// runGet carries out get with these arguments.
func runGet(cmd *cobra.Command, m *transferCmd, args []string, version string) error {
	if err := m.takeMount(&args[0]); err != nil {
		return err
	}
	return m.run(cmd, func(s *config.Settings) (transferFunc, error) {
		key, err := keyOf(s, args[0], false)
		if err != nil {
			return nil, err
		}
		if strings.HasSuffix(args[0], "/") || !strings.Contains(key, "/") {
			key += "/"
		}
		if err := canFetchInto(args[1]); err != nil {
			return nil, err
		}
		return func(ctx context.Context, cfg transfer.Config) (transfer.Total, error) {
			if version != "" {
				return getVersion(ctx, cfg, s, args[0], version, args[1])
			}
			total, err := transfer.Get(ctx, cfg, key, args[1])
			if _, _, ok := splitVersion(args[0]); ok &&
				(errors.Is(err, s3backend.NotExist) || errors.Is(err, s3backend.Denied)) {
				return getVersion(ctx, cfg, s, args[0], "", args[1])
			}
			return total, err
		}, nil
	})
}

// versionReader reads earlier versions; *s3backend.Client implements it.
type versionReader interface {
	versionLister
	HeadVersion(ctx context.Context, obj s3backend.Object) (s3backend.Object, error)
}

// getVersion fetches an earlier version into a directory, as a file of its own.
func getVersion(ctx context.Context, cfg transfer.Config, s *config.Settings, name,
	flag, dir string) (transfer.Total, error) {
	from, ok := cfg.Bucket.(versionReader)
	if !ok {
		return transfer.Total{}, s3backend.ErrNoVersions
	}
	h, err := historyOf(ctx, from, s, name, flag)
	if err != nil {
		return transfer.Total{}, err
	}
	if h.id == "" { // it was removed, and has this name
		return transfer.Total{}, hint.With(fmt.Errorf("%q is removed", h.key),
			"s3share versions "+hint.ShellQuote(h.path)+" lists its versions")
	}
	obj, err := h.find()
	if err == nil && h.refused != nil {
		obj, err = from.HeadVersion(ctx, obj)
	}
	if err != nil {
		return transfer.Total{}, err
	}
	id := obj.Version
	if short := h.shortIDs()[id]; short != "" {
		id = short
	}
	elem := h.key[strings.LastIndexByte(h.key, '/')+1:]
	wanted := transfer.Wanted{Object: obj, Path: transfer.VersionFileName(elem, id)}
	return transfer.GetVersions(ctx, cfg, []transfer.Wanted{wanted}, dir)
}
