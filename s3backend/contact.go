package s3backend

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
)

// Contact is what a client knows of its connection to S3 by its last requests.
type Contact struct {
	Answered time.Time // when S3 last took the credentials and judged a request, by whatever answer
	Failing  time.Time // since when requests end without that; zero if the last one did not
	Err      error     // how the last one ended then
}

// contact notes how requests end. The zero contact is ready.
type contact struct {
	checking sync.Mutex // held while Check asks

	// mu guards the fields below.
	mu    sync.Mutex
	known Contact
	tried time.Time // when a request ended last
}

// met notes how a request ended, after all attempts. What its caller cut off says nothing.
func (c *contact) met(ctx context.Context, op string, err error) {
	if ctx.Err() != nil {
		return
	}
	err = wrapError(ctx, op, "", err)
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.tried = now
	switch {
	case judged(err):
		c.known = Contact{Answered: now}
	case errors.Is(err, Denied): // a reply to a HEAD does not say whether it is about the credentials
	default:
		if c.known.Failing.IsZero() {
			c.known.Failing = now
		}
		c.known.Err = err
	}
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

const contactID = "s3share:contact"

// middleware notes the requests of the SDK.
func (c *contact) middleware(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc(contactID,
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
			middleware.InitializeOutput, middleware.Metadata, error,
		) {
			out, meta, err := next.HandleInitialize(ctx, in)
			c.met(ctx, awsmiddleware.GetOperationName(ctx), err)
			return out, meta, err
		}), middleware.After)
}

// Contact returns what is known without asking.
func (c *Client) Contact() Contact {
	c.contact.mu.Lock()
	defer c.contact.mu.Unlock()
	return c.contact.known
}

// Moved is how many bytes requests have sent and received so far, bodies and, in
// what was sent, all the rest.
func (c *Client) Moved() int64 { return c.http.moved.Load() }

const (
	// checkAge is how old an answer may be that Check takes for the state of the
	// connection now; failedAge is the same for a failure.
	checkAge  = 10 * time.Second
	failedAge = 2 * time.Second
)

// Check is Contact, after one request where S3 has not answered lately. Its error is
// ctx's, where no answer came in time: then the Contact is the one before.
func (c *Client) Check(ctx context.Context) (Contact, error) {
	if !c.contact.checking.TryLock() {
		return c.Contact(), nil // somebody asks
	}
	defer c.contact.checking.Unlock()
	c.contact.mu.Lock()
	failing, age := !c.contact.known.Failing.IsZero(), time.Since(c.contact.tried)
	c.contact.mu.Unlock()
	if age < failedAge || !failing && age < checkAge {
		return c.Contact(), nil
	}
	max := int32(1)
	// A policy that refuses the listing has taken the credentials.
	_, err := c.s3.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &c.bucket, MaxKeys: &max, Prefix: opt(c.prefix)}, func(o *s3.Options) { o.RetryMaxAttempts = 1 })
	if err != nil && ctx.Err() != nil {
		return c.Contact(), ctx.Err()
	}
	return c.Contact(), nil
}
