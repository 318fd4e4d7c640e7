package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
)

const exitCodes = `
Exit status: 0 done, 1 failed, 2 wrong command line; treat any other as a failure.`

// newRoot makes the command tree, which writes to out and errs.
func newRoot(out, errs io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:   "s3share",
		Short: "Exchange files with another party through one S3 bucket, as a folder",
		Long: `s3share mounts an exchange, an S3 bucket through which two parties exchange
files, as a folder. A file that is copied into it is delivered complete, under its
final name, and with an ACL that lets the bucket's owner read it.

    s3share mount ~/exchange
    cp q3.csv ~/exchange/Delivery/
    s3share unmount ~/exchange          # waits until all is delivered
` + exitCodes,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return unknownCommand(cmd, args[0])
		},
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       hint.VersionText(),
	}
	root.SetOut(hint.EscapingWriter(out))
	root.SetErr(hint.EscapingWriter(errs))
	root.SetVersionTemplate(versionLine() + "\n")
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(newInit(), newJoin(), newPolicy())
	root.AddCommand(newMount(), newUnmount(), newStatus(), newWait(), newWhy(), newRetry(),
		newDeliver(), newDoctor(), newRepair(), newRecover(), newPut(), newGet(), newWatch(),
		newSend(), newReceive(), newSent(), newLog(), newReceipt(), newVerify(), newVersions(),
		newRestore(), newLogin(), newLimit(), newPause(), newResume(), newService(),
		newConfig(), newDemo(), newVersion(), newManual())
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "help":
			c.Args = helpTopic
		case "completion":
			c.Args = knownShell
			// Without RunE, cobra does not check the arguments.
			c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
		}
	}
	addCompletions(root)
	return root
}

// unknownCommand is the error for a command that there is not.
func unknownCommand(root *cobra.Command, name string) error {
	return hint.Usage(hint.DidYouMean(name, namesOf(root), "s3share --help lists the commands"),
		"unknown command %q", name)
}

// namesOf are the commands below one.
func namesOf(cmd *cobra.Command) (names []string) {
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return names
}

// helpTopic accepts the name of a command, which help is asked about.
func helpTopic(cmd *cobra.Command, args []string) error {
	root := cmd.Root()
	if len(args) == 0 {
		return nil
	}
	if c, rest, err := root.Find(args); err != nil || c == root || len(rest) > 0 {
		return unknownCommand(root, args[len(args)-1])
	}
	return nil
}

// knownShell accepts nothing: each shell that is known is a command by itself.
func knownShell(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	shells := namesOf(cmd)
	return hint.Usage(hint.DidYouMean(args[0], shells, "there are scripts for "+
		strings.Join(shells, ", ")), "there is no completion script for %q", args[0])
}

// flagError says in words what pflag says of a flag, with what may be meant.
func flagError(cmd *cobra.Command, err error) error {
	var (
		unknown *pflag.NotExistError
		invalid *pflag.InvalidValueError
		lacking *pflag.ValueRequiredError
	)
	switch {
	case errors.As(err, &invalid):
		cause := errors.Unwrap(invalid)
		var number *strconv.NumError
		if errors.As(cause, &number) {
			cause = fmt.Errorf("%q is neither true nor false", invalid.GetValue())
		}
		return hint.Usage("", "cannot read --%s: %w", invalid.GetFlag().Name, cause)
	case errors.As(err, &lacking):
		name, _ := pflag.UnquoteUsage(lacking.GetFlag())
		return hint.Usage(helpHint(cmd), "--%s needs a value: %s", lacking.GetFlag().Name, name)
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() != "":
		return hint.Usage(helpHint(cmd), "unknown flag -%s", unknown.GetSpecifiedName())
	case errors.As(err, &unknown):
		name := unknown.GetSpecifiedName()
		if config.OptionOnly(name) && cmd.Flags().Lookup("options") != nil {
			return hint.Usage("say -o "+strings.ReplaceAll(name, "-", "_"),
				"--%s is a mount option, not a flag", name)
		}
		var known []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				known = append(known, "--"+f.Name)
			}
		})
		return hint.Usage(hint.DidYouMean("--"+name, known, helpHint(cmd)),
			"unknown flag --%s", name)
	}
	return hint.Usage(helpHint(cmd), "%w", err)
}

// argRange accepts from least to most arguments; what names them for the message.
func argRange(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		form := "write it as " + cmd.Root().Name() + " " + cmd.Use
		switch {
		case len(args) < least:
			return hint.Usage(form, "%s needs %s", cmd.Name(), what)
		case len(args) > most:
			return hint.Usage(form, "%s takes no argument %q", cmd.Name(), args[most])
		case slices.Contains(args, ""):
			return hint.Usage(form, "an argument of %s is empty", cmd.Name())
		}
		return nil
	}
}

func helpHint(cmd *cobra.Command) string {
	return cmd.CommandPath() + " --help tells how it is used"
}
