package s3backend

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
)

// The watchdog limits one attempt. A timeLimit limits all attempts of a request together, unless
// the request carries a file's bytes, or has S3 copy them. After S3 has failed to answer, requests
// wait only briefly until one is answered, since programs wait for each other in a directory that
// the kernel locks. If the breaker has opened (see contact.go), nobody waits.

const (
	// awayFor is how long requests wait only briefly after one was not answered, in multiples
	// of the usual limit.
	awayFor = 1
	// outageDivisor is what the usual limit is divided by then.
	outageDivisor = 15
)

// outage records that S3 has not answered lately. The zero value means that it has.
type outage struct{ until atomic.Int64 } // in nanoseconds since 1970

// limit is how long a request may wait.
func (a *outage) limit(usual time.Duration) (limit time.Duration, short bool) {
	if time.Now().UnixNano() < a.until.Load() {
		return usual / outageDivisor, true
	}
	return usual, false
}

// learn records how a request ended.
func (a *outage) learn(err error, short bool, usual time.Duration) {
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

// errOutage is errStalled for a request that waited only briefly.
var errOutage error = &outageError{}

// errOpened is errStalled for a request that waited when the breaker opened.
var errOpened error = &openedError{}

type openedError struct{ outageError }

type outageError struct{}

func (*outageError) Error() string        { return "S3 does not answer at present" }
func (*outageError) Timeout() bool        { return true }
func (*outageError) Is(target error) bool { return target == errStalled }

// waiting limits how long the requests of a client wait for S3.
type waiting struct {
	at      *endpoint
	contact *contact
	away    outage
}

// timeLimit is how long is left for a request.
type timeLimit struct {
	ctx    context.Context // ends with it
	of     *waiting
	cancel context.CancelCauseFunc
	timer  *time.Timer
	stop   func() bool // of the wait for S3 to be out of reach
	short  bool
}

// begin starts the time limit of a request on which spent has been spent already. The
// caller calls end.
func (w *waiting) begin(ctx context.Context, spent time.Duration) *timeLimit {
	p := &timeLimit{of: w}
	limit, short := w.away.limit(w.at.http.quiet)
	p.short = short
	why := errStalled
	if short {
		why = errOutage
	}
	p.ctx, p.cancel = context.WithCancelCause(ctx)
	p.timer = time.AfterFunc(max(0, limit-spent), func() { p.cancel(why) })
	p.stop = func() bool { return true }
	if ctx.Value(probing{}) == nil {
		p.stop = context.AfterFunc(w.contact.breaker.Open(), func() { p.cancel(errOpened) })
	}
	return p
}

// finish stops the clock, once the reply has begun or the request has failed. If err comes of the
// clock, finish returns the reason in its place.
func (p *timeLimit) finish(err error) error {
	p.timer.Stop()
	p.stop()
	if cause := context.Cause(p.ctx); err != nil && errors.Is(cause, errStalled) {
		p.short = p.short || cause == errOpened
		err = cause
	}
	p.of.away.learn(err, p.short, p.of.at.http.quiet)
	return err
}

// end releases the timer and the context.
func (p *timeLimit) end() {
	p.timer.Stop()
	p.stop()
	p.cancel(nil)
}

// unlimitedOperations carry bytes, or have S3 copy them, and take as long as those take.
var unlimitedOperations = map[string]bool{
	"GetObject": true, "PutObject": true, "UploadPart": true,
	"UploadPartCopy": true, "CopyObject": true,
	"CompleteMultipartUpload": true, "DeleteObjects": true, "GetObjectAnnotation": true,
	"PutObjectAnnotation": true,
}

// limitTime limits the time of every request of the SDK that is not in unlimitedOperations.
func (w *waiting) limitTime(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("s3share:limitTime",
		func(ctx context.Context, in middleware.InitializeInput,
			next middleware.InitializeHandler) (
			middleware.InitializeOutput, middleware.Metadata, error,
		) {
			if unlimitedOperations[awsmiddleware.GetOperationName(ctx)] {
				return next.HandleInitialize(ctx, in)
			}
			p := w.begin(ctx, 0)
			defer p.end()
			out, meta, err := next.HandleInitialize(p.ctx, in)
			if ctx.Err() != nil { // the caller's own end
				return out, meta, err
			}
			return out, meta, p.finish(err)
		}), middleware.After)
}
