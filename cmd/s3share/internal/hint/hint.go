// Package hint is how s3share tells a person that something failed: one sentence, a hint
// of what to do about it, and the exit code.
//
// Every error that reaches a person ends in [Tell]. A [Trouble] carries the hint and the
// code through the packages; [Misuse] and [Advise] make one. What other parties wrote,
// such as names and reasons, goes through [OneLine], [Printable] or a [Guarded] writer,
// so that no terminal takes it for a command. The package imports no other one of
// s3share.
package hint

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// The exit codes. Scripts should take an unknown one for a failure.
const (
	ExitDone   = 0 // all that was asked for is done
	ExitFailed = 1 // it failed, or something is missing
	ExitUsage  = 2 // the command line cannot be understood
)

// Trouble is an error with what a person can do about it.
type Trouble struct {
	Err  error
	Hint string // "" if there is nothing to say
	Code int    // ExitFailed or ExitUsage
}

func (t *Trouble) Error() string { return t.Err.Error() }
func (t *Trouble) Unwrap() error { return t.Err }

// Tell prints err as people read it, each of several errors with its hint, and returns the
// exit code for the first. A nil err prints nothing and returns 0.
func Tell(w io.Writer, err error) int {
	w = Guarded(w)
	first := ExitDone
	for _, err := range parts(err) {
		code, hint := Verdict(err)
		if first == ExitDone {
			first = code
		}
		if _, said := err.(Silent); said {
			continue
		}
		fmt.Fprintf(w, "s3share: %s\n", OneLine(err.Error()))
		if hint != "" {
			fmt.Fprintf(w, "s3share: hint: %s\n", OneLine(hint))
		}
	}
	return first
}

// parts are the errors that [errors.Join] made one of.
func parts(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, parts(e)...)
	}
	if len(all) == 0 || errors.Join(all...).Error() != err.Error() { // several errors in one sentence
		return []error{err}
	}
	return all
}

// Verdict finds the exit code and the hint that belong to err.
func Verdict(err error) (code int, hint string) {
	var (
		t *Trouble
		s Silent
	)
	switch {
	case errors.As(err, &t):
		return t.Code, t.Hint
	case errors.As(err, &s):
		return int(s), ""
	}
	return ExitFailed, ""
}

// Silent is an exit code whose reason was told already.
type Silent int

func (s Silent) Error() string { return fmt.Sprintf("exit code %d", int(s)) }

// Innermost unwraps err to the plain cause at its end.
func Innermost(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}

// RootCause drops the path from an error of package os whose sentence has it.
func RootCause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// ErrInterrupted is the error of what a signal ended.
var ErrInterrupted = errors.New("interrupted")

// Misuse is an error of who typed the command: exit code 2.
func Misuse(hint, format string, args ...any) error {
	return &Trouble{Err: fmt.Errorf(format, args...), Hint: hint, Code: ExitUsage}
}

// Advise adds a hint to an error. A hint that err already has stays.
func Advise(err error, hint string) error {
	code := ExitFailed
	var t *Trouble
	if errors.As(err, &t) {
		code = t.Code
	}
	if err == nil || t != nil && t.Hint != "" {
		return err
	}
	return &Trouble{Err: err, Hint: hint, Code: code}
}
