package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/mounts"
	"github.com/s3share/s3share/cmd/s3share/internal/service"
)

func newService() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "service",
		Short: "Mount an exchange whenever you log in, by a systemd unit",
		Long: `Have systemd mount an exchange when you log in, mount it again if its daemon
fails, and unmount it when you log out. The unit is s3share@EXCHANGE.service of your
user's systemd instance, so this does not need root.
` + exitCodes,
		Args: subcommandOnly,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newServiceInstall(), newServiceRemove(), newServiceStatus())
	return cmd
}

func newServiceInstall() *cobra.Command {
	var (
		file   string
		dryRun bool
	)
	cmd := &cobra.Command{
		Use:   "install [EXCHANGE] [DIR]",
		Short: "Mount an exchange of the config file on DIR, now and whenever you log in",
		Long: `Mount an exchange of the config file on DIR, now and whenever you log in. DIR is
created if it does not exist. Without DIR, it is the one that the unit already has, or
the folder EXCHANGE in your home directory.

The unit uses the config file, the state directory and the AWS profile that are used
now, even if environment variables name them. Credentials in environment variables are
not stored: name a profile in the config file.
` + exitCodes,
		Example: `  s3share service install team ~/team
  loginctl enable-linger                  # from boot on, before you log in`,
		Args: argRange(0, 2, ""),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := hint.SignalContext()
			defer stop()
			args = append(args, "", "")
			u, err := unitFor(file, args[0], args[1])
			if err != nil {
				return fmt.Errorf("cannot install a unit: %w", err)
			}
			if dryRun {
				return showUnit(u, cmd.OutOrStdout())
			}
			return installUnit(ctx, u, cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&file, "config",
		"", "the config `FILE` (default: ~/.config/s3share/config.toml)")
	cmd.Flags().BoolVar(&dryRun, "dry-run",
		false, "print the files and commands, and change nothing")
	return cmd
}

func newServiceRemove() *cobra.Command {
	return &cobra.Command{
		Use:   "remove EXCHANGE",
		Short: "Unmount an exchange, and do not mount it any more when you log in",
		Long: `Undo what service install has done for EXCHANGE: unmount it, delivering for at most
75 seconds, and remove its unit. What is not delivered by then stays in the outbox, for
the next mount. The exchange stays in the config file.
` + exitCodes,
		Args: argRange(1, 1, "the name of an exchange"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := hint.SignalContext()
			defer stop()
			return removeUnit(ctx, args[0], cmd.OutOrStdout())
		},
	}
}

func newServiceStatus() *cobra.Command {
	return &cobra.Command{
		Use:   "status [EXCHANGE]",
		Short: "Show the systemd units that mount exchanges",
		Long: `Show the state of the systemd unit that service install has made for EXCHANGE, or of
all such units. The exit status is 1 if one of them does not run. s3share status shows
what is delivered and what waits.
` + exitCodes,
		Args: argRange(0, 1, ""),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := hint.SignalContext()
			defer stop()
			return showUnits(ctx, args, cmd.OutOrStdout())
		},
	}
}

// unitFor returns the unit for an exchange of the config file, "" for the default one.
func unitFor(configFile, name, dir string) (u service.Unit, err error) {
	s, file, err := config.NamedExchange(configFile, name)
	if err != nil {
		return u, err
	}
	u = service.Unit{Exchange: s.Exchange, Dir: dir, Env: unitEnvironment(file, s.Profile)}
	if u.Program, err = os.Executable(); err != nil {
		return u, fmt.Errorf("cannot find this program: %w", err)
	}
	if dir == "" {
		if u.Dir, err = folderOfUnit(u.Exchange); err != nil {
			return u, err
		}
	}
	u.Dir, err = mounts.AbsPath(u.Dir)
	return u, err
}

// folderOfUnit returns the mountpoint of a unit of which no other one is said.
func folderOfUnit(exchange string) (string, error) {
	units, err := service.UnitsDir()
	if err != nil {
		return "", err
	}
	all, err := service.Installed(units)
	if err != nil {
		return "", err
	}
	for _, u := range all {
		if u.Exchange == exchange && u.Dir != "" {
			return u.Dir, nil
		}
	}
	return filepath.Join("~", exchange), nil
}

// unitEnvironment returns the variables that have a mount find its files and profile, and that
// systemd does not know. None of them is secret.
func unitEnvironment(file, profile string) map[string]string {
	env := map[string]string{}
	names := append(config.SettingVariables(), "XDG_STATE_HOME", "XDG_CACHE_HOME",
		"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CA_BUNDLE", "AWS_REGION",
		"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")
	for _, name := range names {
		if slices.Contains(exchangeVariables, name) {
			continue
		}
		if value := os.Getenv(name); value != "" {
			env[name] = value
		}
	}
	if value := os.Getenv("AWS_PROFILE"); value != "" && profile == "" {
		env["AWS_PROFILE"] = value
	}
	if usual, err := mounts.AbsPath("~/.config/s3share/config.toml"); err != nil || file != usual {
		env["S3SHARE_CONFIG"] = file
	}
	return env
}

// showUnit prints what installUnit would do.
func showUnit(u service.Unit, out io.Writer) error {
	units, err := service.UnitsDir()
	if err != nil {
		return err
	}
	for _, f := range u.Files(units) {
		fmt.Fprintf(out, "%s:\n\n%s\n", hint.OneLine(f.Path), indented(f.Text))
	}
	fmt.Fprintf(out, "mkdir -p %s\n", hint.ShellQuote(u.Dir))
	for _, args := range [][]string{{"daemon-reload"},
		{"enable", "--now", service.UnitName(u.Exchange)}} {
		fmt.Fprintln(out, service.Command(args...))
	}
	return nil
}

func indented(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) != "" {
			b.WriteString("    ")
		}
		b.WriteString(line)
	}
	return b.String()
}

func installUnit(ctx context.Context, u service.Unit, out io.Writer) error {
	m, err := service.NewManager(ctx)
	if err != nil {
		return fmt.Errorf("cannot install a unit: %w", err)
	}
	units, err := service.UnitsDir()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(u.Dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) && !mounts.IsDead(u.Dir) { // #nosec G301 -- a mountpoint, which the mount covers
		return fmt.Errorf("cannot make %s: %w", u.Dir, hint.WithoutPath(err))
	}
	name := service.UnitName(u.Exchange)
	before, err := m.State(ctx, u.Exchange)
	if err != nil {
		return err
	}
	if err := service.Write(u.Files(units)); err != nil {
		return err
	}
	if err := m.Do(ctx, "daemon-reload"); err != nil {
		return err
	}
	if err := m.Do(ctx, "enable", name); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s mounts %s on %s whenever you log in\n",
		name, hint.OneLine(u.Exchange), hint.OneLine(u.Dir))
	switch there, err := mounts.At(u.Dir); {
	case before.Active == "active":
		fmt.Fprintf(out, "it runs already; if the folder is another one now: %s\n",
			service.Command("restart", name))
	case err == nil && there != nil && mounts.IsOurs(there) && !mounts.IsDead(u.Dir):
		fmt.Fprintf(out,
			"it is mounted already, without the unit; to have the unit do it: s3share unmount %s && %s\n", hint.ShellQuote(u.Dir), service.Command("start", name))
	default:
		if err := m.Do(ctx, "start", name); err != nil {
			return hint.With(fmt.Errorf("cannot mount it now: %w", err),
				fmt.Sprintf("s3share mount %s %s says why", hint.ShellQuote(u.Exchange),
					hint.ShellQuote(u.Dir)))
		}
		fmt.Fprintln(out, "it is mounted now")
	}
	fmt.Fprintln(out, "to have it mounted from boot on, before you log in: loginctl enable-linger")
	if os.Getenv("AWS_ACCESS_KEY_ID") != "" && u.Env["AWS_PROFILE"] == "" {
		fmt.Fprintln(out,
			"note: the keys in the environment are not in the unit: it uses the profile of the config file, or the default one")
	}
	return nil
}

func removeUnit(ctx context.Context, exchange string, out io.Writer) error {
	units, err := service.UnitsDir()
	if err != nil {
		return err
	}
	all, err := service.Installed(units)
	if err != nil {
		return err
	}
	name := service.UnitName(exchange)
	if !slices.ContainsFunc(all, func(u service.Unit) bool { return u.Exchange == exchange }) {
		return hint.With(fmt.Errorf("service install has made no unit for %q", exchange),
			"s3share service status lists the units")
	}
	m, err := service.NewManager(ctx)
	if err != nil {
		return fmt.Errorf("cannot remove the unit: %w", err)
	}
	if err := m.Do(ctx, "disable", "--now", name); err != nil {
		return err
	}
	if err := service.Remove(units, exchange); err != nil {
		return fmt.Errorf("cannot remove the files of %s: %w", name, err)
	}
	if err := m.Do(ctx, "daemon-reload"); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s is removed: %s is not mounted any more when you log in\n",
		name, hint.OneLine(exchange))
	fmt.Fprintln(out, "what was not delivered stays in the outbox, and s3share status lists it")
	return nil
}

func showUnits(ctx context.Context, args []string, out io.Writer) error {
	units, err := service.UnitsDir()
	if err != nil {
		return err
	}
	all, err := service.Installed(units)
	if err != nil {
		return err
	}
	if len(args) == 1 {
		all = slices.DeleteFunc(all, func(u service.Unit) bool { return u.Exchange != args[0] })
	}
	if len(all) == 0 {
		of := "any exchange"
		if len(args) == 1 {
			of = fmt.Sprintf("%q", args[0])
		}
		return hint.With(fmt.Errorf("service install has made no unit for %s", of),
			"make one: s3share service install EXCHANGE DIR")
	}
	m, err := service.NewManager(ctx)
	if err != nil {
		return fmt.Errorf("cannot ask systemd: %w", err)
	}
	var failed []error
	for _, u := range all {
		st, err := m.State(ctx, u.Exchange)
		if err != nil {
			return err
		}
		name := service.UnitName(u.Exchange)
		fmt.Fprintf(out, "%s on %s: %s, %s\n", name, hint.OneLine(u.Dir),
			hint.OneLine(cmp.Or(st.Enabled, "unknown to systemd")), hint.OneLine(st.Active))
		if st.Status != "" {
			fmt.Fprintf(out, "  %s\n", hint.OneLine(st.Status))
		}
		if st.Active != "active" && st.Active != "reloading" {
			failed = append(failed,
				hint.With(fmt.Errorf("%s does not run (%s, its last result: %s)", name, st.Active,
					st.Result), "journalctl --user -u "+hint.ShellQuote(name)+" tells why"))
		}
	}
	return errors.Join(failed...)
}
