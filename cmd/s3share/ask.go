package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/s3share/s3share/cache/jsonbytes"
	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
)

// The commands about single files: each names a file, a folder or a mountpoint,
// and the daemon of the mount around it answers.

// askEach asks the daemon of the mount that args names a file of, or every daemon
// of this user, and has each answer said.
//
// begin, if it is not nil, is called before the first is asked, and what it returned after the last.
func askEach(args []string, what string, timeout time.Duration, begin func(context.Context, []control.Target) (end func()), say func(p control.Target, a control.FileAnswer) error) error {
	ctx, stop := hint.SignalContext()
	defer stop()
	places, problem := control.TargetsToAsk(ctx, args)
	if len(args) > 0 && problem != nil {
		return fmt.Errorf("cannot %s %s: %w", requestVerbs[what], args[0], problem)
	}
	if ctx.Err() != nil {
		return hint.ErrInterrupted
	}
	all := []error{problem}
	if len(places) == 0 && problem == nil {
		return errNothingMounted
	}
	if begin != nil {
		defer begin(ctx, places)()
	}
	for _, p := range places {
		if p.Client == nil {
			all = append(all, say(p, control.FileAnswer{Left: control.Undelivered(p.State.Pending), Conflicts: p.State.Conflicts, File: p.State.File}))
			continue
		}
		a, err := p.Client.Ask(ctx, what, control.FileRequest{Path: jsonbytes.String(p.Path), Timeout: timeout})
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

// requestVerbs says what a request is for.
var requestVerbs = map[string]string{"/wait": "wait for", "/retry": "retry", "/deliver": "deliver"}

// errNothingMounted says that there is nobody to ask.
var errNothingMounted = hint.With(errors.New("nothing is mounted"), "s3share recover delivers what an earlier mount has left")
