package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/s3share/s3share/cache"
	"github.com/s3share/s3share/cache/keyname"
	"github.com/s3share/s3share/cache/transfer"
	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
)

func newPut() *cobra.Command {
	m := transferCmd{verb: "put", past: "delivered"}
	cmd := &cobra.Command{
		Use:   "put FILE... FOLDER",
		Short: "Deliver files into a folder, without a mount",
		Long: `Deliver files, and directories with everything in them, to a folder of an
exchange, without a mount: in a container, in CI, or where there is no FUSE. Every
object carries an ACL that lets the bucket's owner read it.

put replaces a version only if this machine has put it. It never replaces one of the
other party's, even if that appears meanwhile: the file is delivered as a conflict copy,
"NAME (conflict WHO TIME)", and the exit status is 1. If a file changes while it is
read, nothing of it is delivered.

You can stop put and run it again at any time: it does not send again what the bucket
already has, by its ETag or checksum, and of a large file sends only the missing parts.

FOLDER is a folder of the exchange, or one below it, as a mount shows it. Symbolic links
in directories are not followed, and private names (*.part, .DS_Store) are not sent.
` + exitCodes + `
A file that is not delivered, or goes beside another version, is a failure.`,
		Example: `  s3share put q3.csv Delivery
  s3share put *.tif photos Delivery/2026 --exchange team`,
		Args: argRange(2, 1<<20, "files and a folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			last := len(args) - 1
			if strings.HasPrefix(args[last], "/") || strings.HasPrefix(args[last], ".") {
				// No config file is needed to see this.
				if err := checkNotInMount(args[last]); err != nil {
					return fmt.Errorf("cannot put: %w", err)
				}
			}
			return m.run(cmd, func(s *config.Settings) (transferFunc, error) {
				if s.ReadOnly {
					return nil, hint.Usage("",
						"the exchange %s is read-only, by its settings", s.Label())
				}
				folder, err := folderKey(s, args[last])
				if err != nil {
					return nil, err
				}
				if err := noneThere(args[:last]); err != nil {
					return nil, err
				}
				return func(ctx context.Context, cfg transfer.Config) (transfer.Total, error) {
					return transfer.Put(ctx, cfg, args[:last], folder)
				}, nil
			})
		},
	}
	m.addFlags(cmd)
	return cmd
}

// noneThere is the error if none of some files can be found: then S3 need not be asked.
func noneThere(files []string) error {
	var none error
	for _, f := range files {
		_, err := os.Lstat(f)
		if err == nil {
			return nil
		}
		none = cmp.Or(none, fmt.Errorf("%s: %w", f, hint.WithoutPath(err)))
	}
	return none
}

// folderKey returns the key of a folder that files are put into. It is named as a mount shows it,
// and not as a path in a mount.
func folderKey(s *config.Settings, folder string) (string, error) {
	key, err := keyOf(s, folder, true)
	if err != nil {
		return "", cmp.Or(checkNotInMount(folder), err)
	}
	return key, nil
}

// checkNotInMount returns an error if a path is in a mount, where the name of a folder in the
// exchange is wanted.
func checkNotInMount(name string) error {
	dir, folder, err := control.MountOf(name)
	if err != nil || dir == "" {
		return nil
	}
	advice := fmt.Sprintf(
		"name it without the mountpoint: %s, with --exchange %s; or copy the file into the mount",
		hint.ShellQuote(cmp.Or(folder, "FOLDER")), hint.ShellQuote(dir))
	return hint.Usage(advice,
		"%q is a path in a mount, where the folder's name in the exchange is wanted", name)
}

// keyOf returns the key of a path in the exchange, as a mount shows it, without a slash at
// its end. If something is to be made there, its name has to be one that can be.
func keyOf(s *config.Settings, path string, make bool) (string, error) {
	folders := "the folders of " + s.Label() + " are " + strings.Join(s.Folders, " and ")
	var elems []string
	for name := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		elem, _, ok := keyname.Unescape(name)
		if !ok {
			elem = name
		}
		if make {
			var err error
			elem, err = keyname.NewElement(name)
			if errors.Is(err, keyname.ErrInvalid) {
				err = fmt.Errorf("%q cannot be a name in an exchange", name)
			}
			if err != nil {
				return "", hint.Usage(folders, "%q cannot be a folder: %w", path, err)
			}
		}
		elems = append(elems, elem)
	}
	if !slices.Contains(s.Folders, elems[0]) {
		return "", hint.Usage(folders+"; --folder names others",
			"%q is in no folder of the exchange %s", path, s.Label())
	}
	key := strings.Join(elems, "/")
	if len(key) > keyname.MaxKey {
		return "", hint.Usage("", "%q: %w", path, cache.ErrNameTooLong)
	}
	return key, nil
}
