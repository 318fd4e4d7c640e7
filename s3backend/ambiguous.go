package s3backend

import (
	"context"
	"errors"
	"net/http"

	"github.com/aws/smithy-go/middleware"
)

// Ambiguous reports whether the request that failed with err may have been carried out
// all the same, because the reply to it, or to an earlier attempt at it, was lost. A 412
// to the only attempt is not ambiguous: the condition did not hold, and nothing was done.
func Ambiguous(err error) bool {
	var e *Error
	if !errors.As(err, &e) {
		return err != nil // the caller went away before the reply came
	}
	return e.Lost || !e.Unsent && undecided(e.Kind, e.Status())
}

// notSent marks the error of a look that goes before a request: that one was not sent.
func notSent(err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	marked := *e
	marked.Lost, marked.Unsent = false, true
	return &marked
}

// undecided reports whether a failure of this kind and status leaves open what S3 did:
// there was no reply, or S3 failed in the middle. 503 and all of 4xx are refusals.
// Source: Amazon S3 API Reference, "Error responses".
func undecided(k Kind, status int) bool {
	switch {
	case status == 0:
		return k == Other
	case status == http.StatusNotImplemented, status == http.StatusServiceUnavailable:
		return false
	}
	return status >= 500 || status/100 == 2
}

// noteLost is a middleware that marks the error of a request of which any attempt was
// left undecided.
func noteLost(stack *middleware.Stack) error {
	lost := false // the stack is one call's, and attempts follow each other
	if err := stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("s3share:attempt",
		func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (
			middleware.FinalizeOutput, middleware.Metadata, error,
		) {
			out, meta, err := next.HandleFinalize(ctx, in)
			if err != nil {
				e := &Error{Err: err}
				lost = lost || undecided(e.kind(), e.Status())
			}
			return out, meta, err
		}), "Retry", middleware.After); err != nil {
		return err
	}
	return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("s3share:lost",
		func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (
			middleware.FinalizeOutput, middleware.Metadata, error,
		) {
			out, meta, err := next.HandleFinalize(ctx, in)
			if err != nil && lost {
				err = &lostReply{err}
			}
			return out, meta, err
		}), "Retry", middleware.Before)
}

// lostReply is the error of a request of which an attempt was left undecided.
type lostReply struct{ error }

func (e *lostReply) Unwrap() error { return e.error }

// afterAttempt returns err, marked where the attempt that failed with first, before it, was
// left undecided.
func afterAttempt(first, err error) error {
	var e *Error
	if err == nil || !Ambiguous(first) || !errors.As(err, &e) || e.Lost {
		return err
	}
	marked := *e
	marked.Lost = true
	return &marked
}
