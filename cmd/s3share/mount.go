package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/spf13/cobra"

	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
)

func newMount() *cobra.Command {
	var (
		says       config.Said
		foreground bool
	)
	cmd := &cobra.Command{
		Use:   "mount [EXCHANGE] DIR",
		Short: "Show an exchange as the folder DIR",
		Long: `Show an exchange as the folder DIR, and return as soon as it serves.

EXCHANGE is a table of the config file, ~/.config/s3share/config.toml:

    default = "team"              # what is mounted when nothing is named

    [exchange.team]
    bucket = "team-exchange"
    profile = "team"              # of ~/.aws/config
    folders = ["Submissions", "Delivery"]

Each flag below is a key there too (--folder is folders, a list), and an
environment variable (--state-dir is S3SHARE_STATE_DIR). Flags go before -o, -o
before the environment, and the environment before the file. Credentials are
found as all AWS tools find them; none belong in the file.

-o takes a list in the names that fstab knows: ro, rw, sync (each close waits
until S3 has the file), async, allow_other, noexec, and any flag below with _
for - (uid=, gid=, umask=, profile=, region=, endpoint=, ...). What only
mount(8) or systemd uses is passed over (_netdev, nofail, noauto, user, x-...).
` + exitCodes,
		Example: `  s3share mount ~/exchange
  s3share mount team ~/team -o ro
  s3share mount --bucket team-exchange --profile team ~/team`,
		Args: takes(1, 2, "a directory to mount on"),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := args[len(args)-1]
			if len(args) == 2 {
				says.Exchange = args[0]
			}
			return mount(says, dir, foreground, cmd.ErrOrStderr())
		},
	}
	says.AddFlags(cmd.Flags())
	cmd.Flags().BoolVarP(&foreground, "foreground", "f", false, "stay in the foreground until it is unmounted")
	return cmd
}

// mount mounts in this process, or hands over to one in the background.
func mount(says config.Said, dir string, foreground bool, notes io.Writer) error {
	ready := inherited(readyVariable)
	s, err := says.Resolve()
	if err == nil && !foreground && ready == nil {
		return background(os.Args[1:], os.Environ())
	}
	d := newDaemon(s, foreground, notes)
	ctx, cancel, stop := hint.UntilSignal(d.abandon)
	defer stop()
	if lifeline := inherited(lifelineVariable); lifeline != nil {
		hint.WhenClosed(lifeline, cancel)
	}
	if err == nil {
		err = d.start(ctx, dir)
	}
	if err != nil {
		err = fmt.Errorf("cannot mount %s: %w", dir, err)
		if ready == nil {
			return err
		}
		announce(ready, err)
		code, _ := hint.Verdict(err)
		return hint.Silent(code)
	}
	if ready != nil {
		announce(ready, nil)
	}
	if err := d.run(ctx); err != nil {
		if foreground {
			return fmt.Errorf("%s is unmounted, but %w", d.dir, err)
		}
		return hint.Silent(hint.ExitFailed) // it is in the log
	}
	return nil
}

// background runs this program with args, detached, and waits until it serves.
func background(args, env []string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("cannot find this program: %w", err)
	}
	ctx, stop := hint.UntilSignalOnce()
	defer stop()
	cmd := exec.Command(self, args...) // #nosec G204 G702 -- this very program, without a shell
	cmd.Env = env
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = ownSession()
	return StartProcess(cmd, ctx.Done())
}
