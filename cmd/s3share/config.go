package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/service"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
)

func newConfig() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "config",
		Short: "List, show and remove the exchanges of the config file",
		Long: `List, show and remove the exchanges of the config file. s3share init and s3share
join add them.
` + exitCodes,
		Args: subcommandOnly,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	list := &cobra.Command{
		Use:   "list",
		Short: "List the exchanges of the config file",
		Long:  "List the exchanges of the config file.\n" + exitCodes,
		Args:  argRange(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return listExchanges(file, cmd.OutOrStdout())
		},
	}
	show := &cobra.Command{
		Use:   "show [EXCHANGE]",
		Short: "Show the settings of an exchange, and where each comes from",
		Long: `Show the settings with which EXCHANGE, or the default exchange, is mounted, and
whether each comes from the environment, the config file or the defaults.
` + exitCodes,
		Args: argRange(0, 1, ""),
		RunE: func(cmd *cobra.Command, args []string) error {
			return showExchange(file, strings.Join(args, ""), cmd.OutOrStdout())
		},
	}
	var yes bool
	remove := &cobra.Command{
		Use:   "remove EXCHANGE",
		Short: "Remove an exchange from the config file",
		Long: `Remove an exchange from the config file, after asking you. The bucket, its objects
and the cache stay. An exchange is not removed while it is mounted, while something
waits for delivery, or while a systemd unit mounts it.
` + exitCodes,
		Args: argRange(1, 1, "the name of an exchange"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := hint.SignalContext()
			defer stop()
			if err := removeExchange(ctx, file, args[0], yes,
				cmd.InOrStdin(), cmd.OutOrStdout()); err != nil {
				return fmt.Errorf("cannot remove %q: %w", args[0], err)
			}
			return nil
		},
	}
	remove.Flags().BoolVar(&yes, "yes", false, "do not ask")
	for _, c := range []*cobra.Command{list, show, remove} {
		c.Flags().StringVar(&file, "config",
			"", "the config `FILE` (default: ~/.config/s3share/config.toml)")
		cmd.AddCommand(c)
	}
	return cmd
}

// subcommandOnly accepts no argument of a command that only has others below it.
func subcommandOnly(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return hint.Usage(hint.DidYouMean(args[0], namesOf(cmd), "there are "+
		strings.Join(namesOf(cmd), ", ")), "unknown command %q of %s", args[0], cmd.Name())
}

func listExchanges(file string, out io.Writer) error {
	all, file, err := config.List(file)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		fmt.Fprintf(out, "%s has no exchange\n", hint.OneLine(file))
		return nil
	}
	for _, e := range all {
		line := e.Name
		if e.Bucket != "" && e.Bucket != e.Name {
			line += ", the bucket " + e.Bucket
		}
		if e.Default {
			line += " (the default)"
		}
		fmt.Fprintln(out, hint.OneLine(line))
	}
	return nil
}

func showExchange(file, name string, out io.Writer) error {
	said := config.CommandLine{Exchange: name}
	sources, err := said.Sources()
	if err != nil {
		return err
	}
	if file != "" {
		if sources, err = sources.In(file); err != nil {
			return err
		}
	}
	values, err := sources.Values()
	if err != nil {
		return err
	}
	for _, v := range values {
		line := v.Key + " = " + v.Value
		if v.From != "" {
			line = fmt.Sprintf("%-36s # %s", line, v.From)
		}
		fmt.Fprintln(out, hint.OneLine(line))
	}
	return nil
}

func removeExchange(ctx context.Context, file, name string, yes bool,
	stdin io.Reader, out io.Writer) error {
	plan, err := config.PlanRemoval(file, name)
	if err != nil {
		return err
	}
	if err := checkUnused(ctx, name); err != nil {
		return err
	}
	fmt.Fprintf(out, "From %s:\n\n%s\n", hint.OneLine(plan.File), indented(plan.Lines))
	if !yes {
		if err := confirm(stdin, out, "Remove this?", "say --yes, if that is meant"); err != nil {
			return err
		}
	}
	if err := plan.Apply(); err != nil {
		return fmt.Errorf("cannot write %s: %w", plan.File, hint.WithoutPath(err))
	}
	fmt.Fprintf(out, "%s is removed; the bucket and what is in it stay\n", hint.OneLine(name))
	return nil
}

// checkUnused refuses an exchange that a mount, an outbox or a unit needs.
func checkUnused(ctx context.Context, name string) error {
	all, err := control.AllTargets(ctx)
	if err != nil {
		return err
	}
	for _, p := range all {
		if p.State.Exchange != name {
			continue
		}
		if p.Client != nil || p.State.Mounted {
			return hint.With(fmt.Errorf("it is mounted on %s", hint.Printable(p.State.Dir)),
				"undo that first: s3share unmount "+hint.ShellQuote(p.State.Dir))
		}
		if left := control.Undelivered(p.State.Pending); len(left) > 0 {
			return hint.With(fmt.Errorf("not delivered yet: %s", ui.Count(len(left), "file")),
				"deliver first: s3share recover "+hint.ShellQuote(name))
		}
	}
	units, err := service.UnitsDir()
	if err != nil {
		return err
	}
	installed, err := service.Installed(units)
	if err != nil {
		return err
	}
	for _, u := range installed {
		if u.Exchange == name {
			return hint.With(errors.New("a unit of systemd mounts it"),
				"remove that first: s3share service remove "+hint.ShellQuote(name))
		}
	}
	return nil
}
