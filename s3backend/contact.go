package s3backend

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"

	"github.com/s3share/s3share/s3backend/breaker"
)

// ErrOffline is beside the kind of an error while S3 is out of reach, or refuses the
// credentials: see package breaker. The request failed for that, or was not even sent.
var ErrOffline = errors.New("S3 cannot be asked at present")

// Contact is what a client knows of its connection to S3 by its last requests.
type Contact = breaker.State

// contact is what a client knows of whether S3 answers. Each request asks it before, and tells it
// how it ended; while its breaker is open, only probes go out.
type contact struct {
	at       *endpoint
	breaker  breaker.Breaker
	checking sync.Mutex // held while Check asks
}

// probing marks the context of a request that is sent although the breaker is open.
type probing struct{}

// allow returns the error of a request that is not sent, since S3 is out of reach.
func (r *contact) allow(ctx context.Context, op string) error {
	if ctx.Value(probing{}) != nil {
		return nil
	}
	why := r.breaker.Allow()
	if why == nil {
		return nil
	}
	e := Error{Op: op, Err: why, Unsent: true, Offline: true}
	var last *Error
	if errors.As(why, &last) {
		e.Kind, e.Err = last.Kind, last.Err
	}
	return &e
}

// met notes how a request ended that was sent at the time began, after all attempts, and
// returns its error, marked if S3 is out of reach. What its caller cut off says nothing.
func (r *contact) met(ctx context.Context, op string, began time.Time, err error) error {
	var e *Error
	if ctx.Err() != nil || errors.As(err, &e) && e.Offline {
		return err
	}
	failed := wrapError(ctx, op, "", err)
	switch {
	case errors.Is(err, errOpened):
		if known := r.allow(ctx, op); errors.As(known, &e) {
			e.Unsent, e.Lost = false, true
			return e
		}
		return err
	case judged(failed):
		r.breaker.Answered()
		return err
	// A reply to a HEAD does not say whether it is about the credentials.
	case errors.Is(failed, Denied):
		return err
	}
	away := isAway(failed)
	r.breaker.Failed(failed, away)
	if !away || ctx.Value(probing{}) != nil {
		return err
	}
	if !r.breaker.Confirm(began, failed, func() error {
		// The question is asked for all requests, so its context is nobody's.
		ctx, cancel := context.WithTimeout(context.Background(), breaker.ConfirmTimeout)
		defer cancel()
		return r.probe(ctx)
	}) || !errors.As(failed, &e) {
		return err
	}
	return offline(e)
}

// offline is err, marked with ErrOffline.
func offline(err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	marked := *e
	marked.Offline = true
	return &marked
}

// judged reports whether S3 has taken the credentials and decided about the request.
func judged(err error) bool {
	var e *Error
	switch {
	case err == nil:
		return true
	case !errors.As(err, &e):
		return false
	}
	switch e.Kind {
	case BadLogin, NoBucket, WrongOwner, Busy:
		return false
	case Denied:
		return e.Code() != "Forbidden" // see kindOfCode
	}
	return e.Status() != 0 && (e.Status() < 500 || e.Status() == http.StatusNotImplemented)
}

// isAway reports whether a request that failed with err would fail the same wherever it is
// sent in the bucket: nobody has answered, or the credentials are refused.
func isAway(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Kind == BadLogin || e.Kind == Other && e.Status() == 0)
}

// alike reports whether two errors put the connection into the same state: the credentials are
// refused, the bucket is, or neither.
func alike(a, b error) bool {
	for _, of := range [][]error{{BadLogin}, {NoBucket, WrongOwner}} {
		is := func(err error) bool {
			return slices.ContainsFunc(of, func(kind error) bool { return errors.Is(err, kind) })
		}
		if is(a) != is(b) {
			return false
		}
	}
	return true
}

const contactID = "s3share:contact"

// meet lets the SDK's requests out, and notes how they end.
func (r *contact) meet(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc(contactID,
		func(ctx context.Context, in middleware.InitializeInput,
			next middleware.InitializeHandler) (
			middleware.InitializeOutput, middleware.Metadata, error,
		) {
			op, began := awsmiddleware.GetOperationName(ctx), time.Now()
			if err := r.allow(ctx, op); err != nil {
				return middleware.InitializeOutput{}, middleware.Metadata{}, err
			}
			out, meta, err := next.HandleInitialize(ctx, in)
			return out, meta, r.met(ctx, op, began, err)
		}), middleware.After)
}

// Contact returns what is known without asking.
func (r *contact) Contact() Contact { return r.breaker.State() }

// KeepContact keeps the Contact up to date until ctx ends, by one request a minute while there
// are no others, and more often while S3 is out of reach. As long as it runs, requests that S3
// would not answer fail at once, with [ErrOffline]. It calls changed whenever the Contact may be
// another.
func (r *contact) KeepContact(ctx context.Context, changed func(Contact)) {
	r.breaker.Run(ctx, r.probe, func(now Contact) {
		if now.Offline {
			now.Err = offline(now.Err)
		}
		changed(now)
	})
}

// Moved is how many bytes requests have sent and received so far, bodies and, in
// what was sent, all the rest.
func (e *endpoint) Moved() int64 { return e.http.moved.Load() }

const (
	// checkAge is how old an answer may be that Check takes for the state of the
	// connection now; failedAge is the same for a failure.
	checkAge  = 10 * time.Second
	failedAge = 2 * time.Second
	// probeMoves is more than a probe and its answer have, in bytes.
	probeMoves = 32 << 10
)

// Check is Contact, after one request where S3 has not answered lately. Its error is
// ctx's, where no answer came in time: then the Contact is the one before.
func (r *contact) Check(ctx context.Context) (Contact, error) {
	if !r.checking.TryLock() {
		return r.Contact(), nil // somebody asks
	}
	defer r.checking.Unlock()
	failing, age := !r.Contact().Failing.IsZero(), r.breaker.Age()
	if age < failedAge || !failing && age < checkAge {
		return r.Contact(), nil
	}
	_ = r.probe(ctx) // the Contact has its outcome
	return r.Contact(), ctx.Err()
}

// Ask is Contact after one request, whatever is known.
func (r *contact) Ask(ctx context.Context) Contact {
	_ = r.probe(ctx) // the Contact has its outcome
	return r.Contact()
}

// probe sends one request, on a connection of its own, and returns an error if S3 is out of
// reach: no answer until ctx ends is that too, unless others move bytes meanwhile.
func (r *contact) probe(ctx context.Context) error {
	r.at.CloseIdle() // a connection that has died unnoticed proves nothing
	moved, max := r.at.Moved(), int32(1)
	// A policy that refuses the listing has taken the credentials.
	_, err := r.at.s3.ListObjectsV2(context.WithValue(ctx, probing{}, true),
		&s3.ListObjectsV2Input{Bucket: &r.at.bucket, MaxKeys: &max, Prefix: opt(r.at.prefix)},
		func(o *s3.Options) { o.RetryMaxAttempts = 1 })
	switch {
	case err == nil:
		r.breaker.Denied(false)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		if r.at.Moved()-moved < probeMoves {
			return &Error{Op: "ListObjectsV2", Err: errOutage}
		}
	case ctx.Err() == nil:
		err = wrapError(ctx, "ListObjectsV2", "", err)
		r.breaker.Denied(errors.Is(err, Denied))
		if isAway(err) {
			return err
		}
	}
	return nil
}
