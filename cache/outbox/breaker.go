package outbox

import (
	"context"
	"sync"
	"time"

	"github.com/s3share/s3share/s3backend"
)

// breaker holds all workers back together while S3 throttles or refuses the credentials: others
// would get the same error that one got. It is a circuit breaker.
type breaker struct {
	mu    sync.Mutex
	until time.Time
	tries int
	why   error
}

// wait waits until requests may be sent.
func (b *breaker) wait(ctx context.Context) error {
	for {
		b.mu.Lock()
		wait := time.Until(b.until)
		b.mu.Unlock()
		if wait <= 0 {
			return nil
		}
		if sleep(ctx, min(wait, breakerPoll)) != nil {
			return context.Cause(ctx)
		}
	}
}

// record records the result of a request, and reports whether that closed or opened the breaker.
func (b *breaker) record(err error) (closed, opened bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	was := b.why
	pauses := isKind(err, s3backend.BadLogin)
	switch {
	case pauses:
		b.until, b.why = time.Now().Add(loginBackoff), err
	case offline(err):
		b.until = time.Now().Add(offlineBackoff)
		if !isKind(was, s3backend.BadLogin) {
			b.why = err
		}
	case isKind(err, s3backend.Busy):
		if !time.Now().Before(b.until) { // once for all requests in flight
			b.until = time.Now().Add(backoff(b.tries))
			b.tries++
		}
		if !isKind(was, s3backend.BadLogin) { // else nothing is known of other credentials
			b.why = err
		}
	case isKind(err, s3backend.Denied) && isKind(was, s3backend.BadLogin):
		// A refusal without a reason, or whose reason broke off on the way, may be of
		// the credentials again.
	case err == nil || !isTransient(err): // S3 has judged the request, so it has taken it
		b.tries, b.why = 0, nil
	}
	return was != nil && b.why == nil, b.why != nil &&
		(was == nil || pauses && !isKind(was, s3backend.BadLogin))
}

// reset lets requests out at once.
func (b *breaker) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.until, b.tries = time.Time{}, 0
}

// reason returns why requests wait, or nil.
func (b *breaker) reason() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.why
}

// unreachable opens the breaker, since S3 is out of reach because of why.
func (b *breaker) unreachable(why error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.until, b.why = time.Now().Add(offlineBackoff), why
}

// reachable closes a breaker that was open since S3 was out of reach, and reports whether it was.
func (b *breaker) reachable() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !offline(b.why) {
		return false
	}
	b.until, b.tries, b.why = time.Time{}, 0, nil
	return true
}

// offline returns how long requests are not attempted since S3 is out of reach, 0 if they are.
func (b *breaker) offline() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !offline(b.why) {
		return 0
	}
	return max(0, time.Until(b.until))
}
