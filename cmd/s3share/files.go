package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/s3share/s3share/cache/jsonbytes"
	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
)

// The commands about single files: each names a file, a folder or a mountpoint,
// and the daemon of the mount around it answers.

func newWait() *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "wait [FILE|DIR]",
		Short: "Wait until S3 has confirmed a file, or all below a folder",
		Long: `Wait until S3 has confirmed FILE, or all that was written below DIR: then the
other party can read it. What cannot be delivered by waiting is listed with its
reason, and so is what went beside the other party's version because both have
changed it: then the exit status is 1. It is 1 as well where there is no such file, or
where S3 cannot say whether it is delivered. Without an argument, wait for every mount
of this user.
` + exitCodes,
		Args: takes(0, 1, ""),
		RunE: func(cmd *cobra.Command, args []string) error {
			return askEach(args, "/wait", timeout, func(p control.Place, a control.FileAnswer) error {
				ui.SayLeft(cmd.ErrOrStderr(), a.Left)
				ui.SayBeside(cmd.ErrOrStderr(), a.Beside)
				switch {
				case len(a.Left) > 0 && p.Link == nil:
					return hint.Advise(fmt.Errorf("not all of %s is delivered: %s", p, p.State.DaemonText()), p.State.Remedy())
				case len(a.Left) > 0:
					return hint.Advise(errors.New(ui.LeftText(p.String(), a.Left, timeout)), ui.LeftHint(a.Left, ""))
				case len(a.Beside) > 0:
					return hint.Advise(fmt.Errorf("%s is delivered, but %s", p, ui.BesideText(a.Beside)), ui.BesideHint)
				}
				if p.Link == nil && p.Path == "" { // nothing waits there
					return nil
				}
				return a.File.Problem("wait for", p)
			})
		},
	}
	addTimeout(cmd.Flags(), &timeout, "")
	return cmd
}

func newRetry() *cobra.Command {
	return &cobra.Command{
		Use:   "retry [FILE|DIR]",
		Short: "Try again now what is blocked or waits",
		Long: `Try now to deliver FILE, or all below DIR, that is blocked or waits for its next
attempt; without an argument, on every mount of this user.
` + exitCodes,
		Args: takes(0, 1, ""),
		RunE: func(cmd *cobra.Command, args []string) error {
			return askEach(args, "/retry", 0, func(p control.Place, a control.FileAnswer) error { return sayRetried(cmd.OutOrStdout(), p, a) })
		},
	}
}

func newDeliver() *cobra.Command {
	return &cobra.Command{
		Use:   "deliver FILE|DIR",
		Short: "Deliver an interrupted file as it is",
		Long: `Deliver FILE, or every such file below DIR, that was not sent because the program
that wrote it was ended by a signal, was still writing when s3share ended, or was told
that a write failed. It is sent as it is; to write it again resolves it as well.
` + exitCodes,
		Args: takes(1, 1, "a file or a folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return askEach(args, "/deliver", 0, func(p control.Place, a control.FileAnswer) error { return sayDelivering(cmd.OutOrStdout(), p, a) })
		},
	}
}

func newWhy() *cobra.Command {
	return &cobra.Command{
		Use:   "why FILE",
		Short: "Tell why a file is not delivered, and what to do",
		Long: `Tell where FILE is on its way, why it is not delivered, S3's own code and the
id of the request that it refused, and what can be done about it.
` + exitCodes,
		Args: takes(1, 1, "a file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := hint.UntilSignalOnce()
			defer stop()
			p, err := control.LookAt(ctx, args[0])
			if err != nil {
				return fmt.Errorf("cannot tell of %s: %w", args[0], err)
			}
			return sayWhy(cmd.OutOrStdout(), p)
		},
	}
}

// sayWhy says of each file at p why it waits, or what is known where none does.
func sayWhy(out io.Writer, p control.Place) error {
	rows := p.State.Rows()
	switch {
	case len(rows) == 0 && p.Path == "":
		_, err := fmt.Fprintf(out, "%s: %s\n", p, ui.NothingWaits(&p.State))
		return err
	case len(rows) == 0:
		if err := p.State.File.Problem("say why", p); err != nil {
			return err
		}
		_, err := fmt.Fprintf(out, "%s\n", p.State.File.Sentence(p.String()))
		return err
	}
	for _, o := range rows {
		fmt.Fprintf(out, "%s: %s\n", ui.Shown(o), ui.StateText(o))
		fmt.Fprintf(out, "  because: %s\n", ui.ReasonIn(&p.State, o))
		switch {
		case o.Code != "" && o.RequestID != "":
			fmt.Fprintf(out, "  S3 says: %s (request %s)\n", hint.OneLine(o.Code), hint.OneLine(o.RequestID))
		case o.Code != "":
			fmt.Fprintf(out, "  S3 says: %s\n", hint.OneLine(o.Code))
		}
		if do := ui.Remedy(o, p.State); do != "" {
			fmt.Fprintf(out, "  to do:   %s\n", hint.OneLine(do))
		}
	}
	return nil
}

// sayRetried says what is tried again, and what is not.
func sayRetried(out io.Writer, p control.Place, a control.FileAnswer) error {
	if p.Link == nil {
		return p.NoDaemon("retry")
	}
	rest := map[outbox.State]int{}
	for _, st := range a.Left {
		rest[st.State]++
	}
	notes := []string{}
	if a.Files > 0 {
		notes = append(notes, "trying "+ui.Count(a.Files, "file")+" again")
	}
	for _, of := range []struct {
		state outbox.State
		say   string
	}{
		{outbox.Uploading, "%s being sent already"},
		{outbox.Removing, "%s being removed from the bucket already"},
		{outbox.Open, "%s still open for writing"},
		{outbox.Interrupted, "%s interrupted, which s3share deliver sends"},
	} {
		if n := rest[of.state]; n > 0 {
			notes = append(notes, fmt.Sprintf(of.say, ui.Count(n, "file")))
		}
	}
	if waiting := rest[outbox.Sealed] + rest[outbox.Blocked] - a.Files; waiting > 0 { // begun since
		notes = append(notes, ui.Count(waiting, "file")+" being sent already")
	}
	if len(notes) == 0 {
		if len(a.Left) > 0 { // private files
			notes = append(notes, "nothing waits but private files, which are never sent")
		} else if err := a.File.Problem("retry", p); err != nil {
			return err
		} else {
			_, err := fmt.Fprintf(out, "%s: there is nothing to try again\n", a.File.Sentence(p.String()))
			return err
		}
	}
	_, err := fmt.Fprintf(out, "%s: %s\n", p, strings.Join(notes, ", "))
	return err
}

// sayDelivering says what is delivered as it is, or why nothing is.
func sayDelivering(out io.Writer, p control.Place, a control.FileAnswer) error {
	if p.Link == nil {
		return p.NoDaemon("deliver")
	}
	if a.Files > 0 {
		_, err := fmt.Fprintf(out, "%s: delivering %s\n", p, ui.Count(a.Files, "file"))
		return err
	}
	if len(a.Left) > 0 {
		return fmt.Errorf("nothing at %s is interrupted: %q is %s", p, ui.Shown(a.Left[0]), ui.StateText(a.Left[0]))
	}
	if err := a.File.Problem("deliver", p); err != nil {
		return err
	}
	return fmt.Errorf("nothing at %s is interrupted: %s", p, a.File.Sentence("it"))
}

// askEach asks the daemon of the mount that args names a file of, or every daemon
// of this user, and has each answer said.
func askEach(args []string, what string, timeout time.Duration, say func(p control.Place, a control.FileAnswer) error) error {
	ctx, stop := hint.UntilSignalOnce()
	defer stop()
	places, problem := control.PlacesToAsk(ctx, args)
	if len(args) > 0 && problem != nil {
		return fmt.Errorf("cannot %s %s: %w", doing[what], args[0], problem)
	}
	if ctx.Err() != nil {
		return hint.ErrInterrupted
	}
	all := []error{problem}
	if len(places) == 0 && problem == nil {
		return errNothingMounted
	}
	for _, p := range places {
		if p.Link == nil {
			all = append(all, say(p, control.FileAnswer{Left: control.Undelivered(p.State.Owed), Beside: p.State.Beside, File: p.State.File}))
			continue
		}
		a, err := p.Link.Ask(ctx, what, control.FileRequest{Path: jsonbytes.String(p.Path), Timeout: timeout})
		switch {
		case ctx.Err() != nil:
			return hint.ErrInterrupted
		case err == nil && a.Error != "":
			err = errors.New(a.Error)
		case err == nil:
			err = say(p, a)
		}
		all = append(all, err)
	}
	return errors.Join(all...)
}

// doing says what a request is for.
var doing = map[string]string{"/wait": "wait for", "/retry": "retry", "/deliver": "deliver"}

// errNothingMounted says that there is nobody to ask.
var errNothingMounted = hint.Advise(errors.New("nothing is mounted"), "s3share recover delivers what an earlier mount has left")
