package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/daemon"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/mounts"
	"github.com/s3share/s3share/cmd/s3share/internal/statedir"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
)

func newMount() *cobra.Command {
	var (
		cl         config.CommandLine
		foreground bool
	)
	cmd := &cobra.Command{
		Use:   "mount [EXCHANGE] DIR",
		Short: "Mount an exchange on the folder DIR",
		Long: `Mount an exchange on the folder DIR, and return as soon as it is ready.

EXCHANGE is a table of the config file, ~/.config/s3share/config.toml:

    default = "team"              # what is mounted if no exchange is named

    [exchange.team]
    bucket = "team-exchange"
    profile = "team"              # of ~/.aws/config
    folders = ["Submissions", "Delivery"]

Each flag below, except --config, -f and -o, is also a key there (--folder is folders,
a list) and an environment variable (--state-dir is S3SHARE_STATE_DIR). Flags override
-o, -o overrides the environment, and the environment overrides the file. Credentials
are found as all AWS tools find them; do not put them into the file.

-o takes a list of options, as in fstab: ro, rw, sync (each close waits until S3 has
confirmed the file), async, allow_other, noexec, and any of these keys with _ for -
and a value (uid=, gid=, umask=, profile=, region=, endpoint=, inhibit=false, ...). A
key that is true or false needs no value to be true (bookmark, pause_on_metered, ...).
Options that only mount(8) or systemd uses are ignored (_netdev, nofail, noauto, user,
x-...).
` + exitCodes,
		Example: `  s3share mount ~/exchange
  s3share mount team ~/team -o ro
  s3share mount --bucket team-exchange --profile team ~/team`,
		Args: argRange(1, 2, "a directory to mount on"),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := args[len(args)-1]
			if len(args) == 2 {
				cl.Exchange = args[0]
			}
			return daemon.Mount(cl, dir, foreground, cmd.ErrOrStderr())
		},
	}
	cl.AddFlags(cmd.Flags())
	cmd.Flags().BoolVarP(&foreground, "foreground", "f", false,
		"stay in the foreground until it is unmounted")
	return cmd
}

// mountAdded mounts an exchange of the config file on dir, which is made if it
// is not there, in the background. One that is mounted there already stays.
func mountAdded(n ui.Printer, config, name, bucket, dir string) error {
	if isMountedOn(dir, name, bucket) {
		n.Line(fmt.Sprintf("It is mounted on %s already.", hint.OneLine(dir)))
		return nil
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) { // #nosec G301 -- a mountpoint, which the mount covers
		return fmt.Errorf("cannot make %s: %w", dir, hint.WithoutPath(err))
	}
	args := []string{"mount", name, dir}
	if config != "" {
		args = []string{"mount", "--config", config, name, dir}
	}
	return daemon.Background(args, withoutMountEnv(os.Environ()))
}

// mountOf is where an exchange of the config file is mounted, by the lock in its state directory;
// "" for nowhere, or where that is not known.
func mountOf(file, name string) string {
	s, err := config.Named(file, name).Resolve()
	if err != nil || config.FillPaths(s) != nil {
		return ""
	}
	t, err := statedir.ReadLock(s.StateDir)
	if err != nil || !t.Alive() || !t.Mounted(s.Label()) {
		return ""
	}
	return t.Mountpoint()
}

// isMountedOn reports whether a daemon of this user serves an exchange on dir.
func isMountedOn(dir, name, bucket string) bool {
	real, err := mounts.ResolveDir(dir)
	if err != nil {
		return false
	}
	if m, err := mounts.At(real); err != nil || m == nil || !mounts.IsOurs(m) {
		return false
	}
	ctx, stop := hint.SignalContext()
	defer stop()
	p, err := control.FindTarget(ctx, real)
	return err == nil && p.Client != nil && !p.Client.Foreign() && p.State.Dir == real &&
		p.State.Exchange == name && p.State.Bucket == bucket
}

// withoutMountEnv is env without what would stand before the config file, and was meant
// for another exchange.
func withoutMountEnv(env []string) []string {
	return slices.DeleteFunc(env, func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains(exchangeVariables, name)
	})
}

// exchangeVariables say which exchange is meant.
var exchangeVariables = []string{"S3SHARE_BUCKET", "S3SHARE_ENDPOINT_URL", "S3SHARE_REGION",
	"S3SHARE_OWNER", "S3SHARE_FOLDER"}
