package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
)

func newLogin() *cobra.Command {
	return &cobra.Command{
		Use:   "login [EXCHANGE|DIR]",
		Short: "Renew the credentials of a mount, and deliver what waits for them",
		Long: `Renew the credentials of a mounted exchange, and try again to deliver what waits for
them; without an argument, of all mounts of this user. If the profile logs in by SSO,
this runs aws sso login; if its role requires an MFA code, it asks for the code. Keys
in a file, and what credential_process prints, are read again, as a mount also does
by itself while S3 refuses the old ones.

No secret is stored: the code goes to the mount's process and from there to AWS.
` + exitCodes,
		Args: argRange(0, 1, ""),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := hint.SignalContext()
			defer stop()
			places, err := exchangesOf(ctx, args)
			if err != nil {
				return fmt.Errorf("cannot log in: %w", err)
			}
			l := loginPrompter{in: os.Stdin, out: cmd.OutOrStdout(), errs: cmd.ErrOrStderr(),
				done: map[string]bool{}}
			var all []error
			for _, p := range places {
				if err := l.login(ctx, p); err != nil {
					all = append(all, fmt.Errorf("cannot log in to %s: %w", p.State.Label(), err))
				}
			}
			return errors.Join(all...)
		},
	}
}

// exchangesOf are the mounts that are meant: by the name of an exchange, by a place
// in one, or all.
func exchangesOf(ctx context.Context, args []string) ([]control.Target, error) {
	mounted, problem := control.AllTargets(ctx)
	mounted = slices.DeleteFunc(mounted,
		func(p control.Target) bool { return p.Client == nil && !p.State.Mounted })
	switch {
	case ctx.Err() != nil:
		return nil, hint.ErrInterrupted
	case len(args) == 0 && len(mounted) == 0 && problem != nil:
		return nil, problem
	case len(args) == 0 && len(mounted) == 0:
		return nil, hint.With(errors.New("nothing is mounted"),
			"s3share mount asks for what it needs")
	case len(args) == 0:
		return mounted, nil
	}
	var named []control.Target
	for _, p := range mounted {
		if p.State.Exchange == args[0] || p.State.Bucket == args[0] {
			named = append(named, p)
		}
	}
	if len(named) > 0 {
		return named, nil
	}
	p, err := control.FindTarget(ctx, args[0])
	if err != nil && !strings.Contains(args[0], "/") {
		err = hint.With(fmt.Errorf("there is no mounted exchange %q", args[0]),
			"s3share status lists what is mounted")
	}
	if err != nil {
		return nil, err
	}
	return []control.Target{p}, nil
}

// loginPrompter does what a person has to do with to log in.
type loginPrompter struct {
	in        *os.File
	out, errs io.Writer
	done      map[string]bool // profiles whose SSO login was done
}

// login renews the credentials of one mount.
func (l *loginPrompter) login(ctx context.Context, p control.Target) error {
	if p.Client == nil {
		return hint.With(errors.New(p.State.DaemonText()), p.State.Advice())
	}
	if p.Client.Foreign() {
		return control.NotYourMount(p.State.Dir, p.Client.UID)
	}
	how := p.State.Login
	if how.SSO && !l.done[how.Profile] {
		if err := l.sso(ctx, how.Profile); err != nil {
			return err
		}
		l.done[how.Profile] = true
	}
	var ask control.LoginRequest
	if how.MFA != "" {
		var err error
		if ask.Code, err = l.code(how.MFA); err != nil {
			return err
		}
	}
	var a control.LoginAnswer
	if err := p.Client.Post(ctx, "/login", ask, &a); err != nil {
		return err
	}
	if a.Error != "" {
		return hint.With(errors.New(a.Error), a.Hint)
	}
	fmt.Fprintf(l.out, "logged in to %s; trying again: %s\n", hint.OneLine(p.State.Label()),
		ui.Count(a.Files, "file"))
	return nil
}

// sso runs the command of AWS, which opens a browser.
func (l *loginPrompter) sso(ctx context.Context, profile string) error {
	args := []string{"sso", "login"}
	if profile != "" {
		args = append(args, "--profile", profile)
	}
	said := "aws " + strings.Join(args, " ")
	aws, err := exec.LookPath("aws")
	if err != nil {
		return hint.With(errors.New(
			"its profile logs in by SSO, for which the AWS CLI is needed, and it is not installed"),
			"run "+said+
				" where there is one, with the same home directory; the mount goes on by itself")
	}
	cmd := exec.CommandContext(ctx, aws, args...) // #nosec G204 -- without a shell; the profile is that of this user's own daemon
	// aws may ask at the terminal, if there is one.
	cmd.Stdin, cmd.Stdout, cmd.Stderr = l.in, hint.RawWriter(l.out), hint.RawWriter(l.errs)
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s failed: %w", said, err)
	}
	return nil
}

// code asks for the code of an MFA device.
func (l *loginPrompter) code(device string) (string, error) {
	if term.IsTerminal(int(l.in.Fd())) {
		fmt.Fprintf(l.errs, "MFA code of %s: ", hint.OneLine(device))
	}
	line, err := bufio.NewReader(l.in).ReadString('\n')
	code := strings.TrimSpace(line)
	if code == "" {
		if err != nil && !errors.Is(err, io.EOF) {
			return "", err
		}
		return "", hint.With(errors.New("its role asks for an MFA code, and none was typed"),
			"type it, or write it to standard input")
	}
	return code, nil
}
