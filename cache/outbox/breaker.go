package outbox

import (
	"context"
	"sync"
	"time"

	"github.com/s3share/s3share/s3backend"
)

// breaker holds all workers back together while S3 throttles, or refuses the
// credentials: what one has met, the others would meet too.
type breaker struct {
	mu    sync.Mutex
	until time.Time
	tries int
	why   error
}

// wait waits until requests may go out.
func (g *breaker) wait(ctx context.Context) error {
	for {
		g.mu.Lock()
		wait := time.Until(g.until)
		g.mu.Unlock()
		if wait <= 0 {
			return nil
		}
		if sleep(ctx, min(wait, breakerPoll)) != nil {
			return context.Cause(ctx)
		}
	}
}

// record notes how a request ended, and reports whether that opened or shut the gate.
func (g *breaker) record(err error) (opened, shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	was := g.why
	pauses := isKind(err, s3backend.BadLogin)
	switch {
	case pauses:
		g.until, g.why = time.Now().Add(loginBackoff), err
	case isKind(err, s3backend.Busy):
		if !time.Now().Before(g.until) { // once for all who were on their way
			g.until = time.Now().Add(backoff(g.tries))
			g.tries++
		}
		if !isKind(was, s3backend.BadLogin) { // else nothing is known of other credentials
			g.why = err
		}
	case isKind(err, s3backend.Denied) && isKind(was, s3backend.BadLogin):
		// A refusal without a reason, or whose reason broke off on the way, may be of
		// the credentials again.
	case err == nil || !isTransient(err): // S3 has judged the request, so it has taken it
		g.tries, g.why = 0, nil
	}
	return was != nil && g.why == nil, g.why != nil && (was == nil || pauses && !isKind(was, s3backend.BadLogin))
}

// reset lets requests out at once.
func (g *breaker) reset() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.until, g.tries = time.Time{}, 0
}

// reason is why the gate is shut, or nil.
func (g *breaker) reason() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.why
}

// recordResult notes how an attempt ended, and tells once when everything has to wait.
func (o *Outbox) recordResult(err error) {
	switch opened, shut := o.breaker.record(err); {
	case shut:
		o.log.Warn("deliveries wait", "why", err)
		if isKind(err, s3backend.BadLogin) {
			st := Status{State: Paused, Since: time.Now()}
			st.fail(err)
			o.notify(st)
		}
	case opened:
		o.log.Info("deliveries go on")
	}
}
