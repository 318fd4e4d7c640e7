package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
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
// begin, if it is not nil, is called before the first is asked, and what it returned after the
// last.
func askEach(args []string, what string, timeout time.Duration, begin func(context.Context,
	[]control.Target) (end func()), say func(p control.Target, a control.FileAnswer) error) error {
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
	return errors.Join(append(all, askPlaces(ctx, places, what, timeout, begin, say))...)
}

// askPlaces is askEach where it is known whom to ask.
func askPlaces(ctx context.Context, places []control.Target, what string, timeout time.Duration,
	begin func(context.Context, []control.Target) (end func()), say func(p control.Target,
		a control.FileAnswer) error) error {
	if begin != nil {
		defer begin(ctx, places)()
	}
	// All are asked at once, since each may take long, and have their answers said one at a time:
	// those that are waited for as they come.
	var (
		asked  sync.WaitGroup
		saying sync.Mutex
	)
	errs := make([]error, len(places))
	answers := make([]control.FileAnswer, len(places))
	answer := func(i int) {
		if errs[i] == nil {
			errs[i] = say(places[i], answers[i])
		}
	}
	for i, p := range places {
		asked.Go(func() {
			answers[i], errs[i] = askOne(ctx, p, what, timeout)
			if begin != nil {
				saying.Lock()
				defer saying.Unlock()
				answer(i)
			}
		})
	}
	asked.Wait()
	if ctx.Err() != nil {
		return hint.ErrInterrupted
	}
	for i := range places {
		if begin == nil {
			answer(i)
		}
	}
	return errors.Join(errs...)
}

// askOne asks one daemon, or says what lies in the outbox where there is none.
func askOne(ctx context.Context, p control.Target, what string,
	timeout time.Duration) (control.FileAnswer, error) {
	if p.Client == nil {
		return control.FileAnswer{Left: control.Undelivered(p.State.Pending),
			Unresolved: p.State.Unresolved, File: p.State.File}, nil
	}
	a, err := p.Client.Ask(ctx,
		what, control.FileRequest{Path: jsonbytes.String(p.Path), Timeout: timeout})
	if err == nil && a.Error != "" {
		err = errors.New(a.Error)
	}
	if err != nil {
		err = fmt.Errorf("cannot %s %s: %w", requestVerbs[what], p, err)
	}
	return a, err
}

// requestVerbs says what a request is for.
var requestVerbs = map[string]string{"/wait": "wait for", "/retry": "retry", "/deliver": "deliver"}

// errNothingMounted says that there is nobody to ask.
var errNothingMounted = hint.With(errors.New("nothing is mounted"),
	"s3share recover delivers what an earlier mount has left")
