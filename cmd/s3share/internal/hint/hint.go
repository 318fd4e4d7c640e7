// Package hint prints errors for people: one sentence, a hint what to do about it, and the
// exit code of the process.
//
// [PrintError] prints every error that reaches a person. An [Error] carries the hint and
// the exit code through the packages; [Usage] and [With] make one. Text that others wrote,
// such as file names and the reasons of a server, goes through [OneLine], [Printable] or
// an [EscapingWriter], so that no terminal runs it as a command. The package imports no
// other package of s3share.
package hint

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// The exit codes. Scripts should treat an unknown code as a failure.
const (
	ExitOK     = 0 // everything asked for is done
	ExitFailed = 1 // it failed, or something is missing
	ExitUsage  = 2 // the command line is wrong
	// ExitLeft: a mount in the foreground was undone by a person, and something is left in its
	// outbox.
	ExitLeft = 3
)

// Error is an error with a hint what a person can do about it, and an exit code.
type Error struct {
	Err  error
	Hint string // "" for none
	Code int    // ExitFailed, ExitUsage or ExitLeft
}

// Error returns the sentence of Err, without the hint.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// PrintError writes err and its hint to w, each on a line of its own, and returns the exit
// code. Of errors that [errors.Join] joined it writes each with its own hint, and returns
// the code of the first. A [Silent] writes nothing. If err is nil, it writes nothing and
// returns ExitOK.
func PrintError(w io.Writer, err error) int {
	w = EscapingWriter(w)
	first := ExitOK
	for _, err := range parts(err) {
		code, hint := ExitCode(err)
		if first == ExitOK {
			first = code
		}
		if _, silent := err.(Silent); silent {
			continue
		}
		fmt.Fprintf(w, "s3share: %s\n", OneLine(err.Error()))
		if hint != "" {
			fmt.Fprintf(w, "s3share: hint: %s\n", OneLine(hint))
		}
	}
	return first
}

// parts returns the errors that [errors.Join] joined, or err alone.
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
	// The text is not just that of the errors: one sentence wraps several.
	if len(all) == 0 || errors.Join(all...).Error() != err.Error() {
		return []error{err}
	}
	return all
}

// ExitCode returns the exit code and the hint of err: those of the first [Error] or
// [Silent] that err wraps, else ExitFailed and no hint. err must not be nil.
func ExitCode(err error) (code int, hint string) {
	var (
		e *Error
		s Silent
	)
	switch {
	case errors.As(err, &e):
		return e.Code, e.Hint
	case errors.As(err, &s):
		return int(s), ""
	}
	return ExitFailed, ""
}

// Silent is an error that is an exit code alone: the command has printed the reason.
type Silent int

// Error names the exit code, for logs.
func (s Silent) Error() string { return fmt.Sprintf("exit code %d", int(s)) }

// Innermost returns the last error of the chain that err wraps: its cause.
func Innermost(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}

// WithoutPath returns the cause of a [fs.PathError] that err wraps, for a sentence that names
// the path already. Any other err it returns as it is.
func WithoutPath(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// ErrInterrupted is the error of a command that a signal ended.
var ErrInterrupted = errors.New("interrupted")

// Usage returns an error about the command line, with the exit code ExitUsage. format and
// args are as in [fmt.Errorf]; hint is "" for none.
func Usage(hint, format string, args ...any) error {
	return &Error{Err: fmt.Errorf(format, args...), Hint: hint, Code: ExitUsage}
}

// With adds a hint to err and keeps its exit code. If err is nil or has a hint, it returns
// err as it is.
func With(err error, hint string) error {
	code := ExitFailed
	var e *Error
	if errors.As(err, &e) {
		code = e.Code
	}
	if err == nil || e != nil && e.Hint != "" {
		return err
	}
	return &Error{Err: err, Hint: hint, Code: code}
}
