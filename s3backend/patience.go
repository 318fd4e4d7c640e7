package s3backend

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
)

// A watchdog ends an attempt on which nothing moves. That is not enough for a request
// that a program waits for. A server that takes its time and then fails is asked several
// times; so all attempts together have as long as one may be silent, but for requests
// that carry a file's bytes, or have S3 carry them. And programs wait for each other, in
// a directory that the kernel locks; so once S3 has not answered for as long, the
// requests of the next half minute wait a moment only, until one is answered. Where the
// breaker has opened (see contact.go), nobody waits.

const (
	// awayFor is how long after a request that was not answered the others are short of
	// patience, in times of the usual one.
	awayFor = 1
	// hasty is the part of the usual patience that they have.
	hasty = 15
)

// away is a server that has not answered. The zero value has.
type away struct{ until atomic.Int64 } // in nanoseconds since 1970

// limit is how long a request may wait.
func (a *away) limit(usual time.Duration) (limit time.Duration, short bool) {
	if time.Now().UnixNano() < a.until.Load() {
		return usual / hasty, true
	}
	return usual, false
}

// learn notes how a request ended.
func (a *away) learn(err error, short bool, usual time.Duration) {
	var reply interface{ HTTPStatusCode() int }
	switch {
	case errors.Is(err, errStalled):
		if !short {
			a.until.Store(time.Now().Add(awayFor * usual).UnixNano())
		}
	case err == nil, errors.As(err, &reply) && reply.HTTPStatusCode() != 0:
		a.until.Store(0)
	}
}

// errAway is errStalled for a request that was short of patience.
var errAway error = &awayError{}

// errOpened is errStalled for a request that waited when the breaker opened.
var errOpened error = &openedError{}

type openedError struct{ awayError }

type awayError struct{}

func (*awayError) Error() string        { return "S3 does not answer at present" }
func (*awayError) Timeout() bool        { return true }
func (*awayError) Is(target error) bool { return target == errStalled }

// patience is how long is left for a request.
type patience struct {
	ctx    context.Context // ends with it
	c      *Client
	cancel context.CancelCauseFunc
	timer  *time.Timer
	stop   func() bool // of the wait for S3 to be out of reach
	short  bool
}

// patiently begins to wait, for no longer than is left of the usual time. End it.
func (c *Client) patiently(ctx context.Context, spent time.Duration) *patience {
	p := &patience{c: c}
	limit, short := c.away.limit(c.http.quiet)
	p.short = short
	why := errStalled
	if short {
		why = errAway
	}
	p.ctx, p.cancel = context.WithCancelCause(ctx)
	p.timer = time.AfterFunc(max(0, limit-spent), func() { p.cancel(why) })
	p.stop = func() bool { return true }
	if ctx.Value(probing{}) == nil {
		p.stop = context.AfterFunc(c.contact.Open(), func() { p.cancel(errOpened) })
	}
	return p
}

// met stops the clock, once the answer has begun or the request has failed. It returns
// the reason in place of an error that came of the clock.
func (p *patience) met(err error) error {
	p.timer.Stop()
	p.stop()
	if cause := context.Cause(p.ctx); err != nil && errors.Is(cause, errStalled) {
		p.short = p.short || cause == errOpened
		err = cause
	}
	p.c.away.learn(err, p.short, p.c.http.quiet)
	return err
}

// end gives back what it took. Nothing may use its context any more.
func (p *patience) end() {
	p.timer.Stop()
	p.stop()
	p.cancel(nil)
}

// carrying are the requests that take as long as the bytes take that they carry.
var carrying = map[string]bool{
	"GetObject": true, "PutObject": true, "UploadPart": true, "UploadPartCopy": true, "CopyObject": true,
	"CompleteMultipartUpload": true, "DeleteObjects": true,
}

// hurry holds the SDK's requests, but for those, to their patience.
func (c *Client) hurry(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("s3share:hurry",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
			middleware.InitializeOutput, middleware.Metadata, error,
		) {
			if carrying[awsmiddleware.GetOperationName(ctx)] {
				return next.HandleInitialize(ctx, in)
			}
			p := c.patiently(ctx, 0)
			defer p.end()
			out, meta, err := next.HandleInitialize(p.ctx, in)
			if ctx.Err() != nil { // the caller's own end
				return out, meta, err
			}
			return out, meta, p.met(err)
		}), middleware.After)
}
