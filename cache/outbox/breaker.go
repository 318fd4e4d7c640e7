package outbox

import (
	"context"
	"sync"
	"time"

	"github.com/s3share/s3share/s3backend"
)

// gate holds all workers back together while S3 throttles, or refuses the
// credentials: what one has met, the others would meet too.
type gate struct {
	mu    sync.Mutex
	until time.Time
	tries int
	why   error
}

// pass waits until requests may go out.
func (g *gate) pass(ctx context.Context) error {
	for {
		g.mu.Lock()
		wait := time.Until(g.until)
		g.mu.Unlock()
		if wait <= 0 {
			return nil
		}
		if sleep(ctx, min(wait, gateStep)) != nil {
			return context.Cause(ctx)
		}
	}
}

// met notes how a request ended, and reports whether that opened or shut the gate.
func (g *gate) met(err error) (opened, shut bool) {
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
	case err == nil || !passing(err): // S3 has judged the request, so it has taken it
		g.tries, g.why = 0, nil
	}
	return was != nil && g.why == nil, g.why != nil && (was == nil || pauses && !isKind(was, s3backend.BadLogin))
}

// open lets requests out at once.
func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.until, g.tries = time.Time{}, 0
}

// reason is why the gate is shut, or nil.
func (g *gate) reason() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.why
}

// met notes how an attempt ended, and tells once when everything has to wait.
func (o *Outbox) met(err error) {
	switch opened, shut := o.gate.met(err); {
	case shut:
		o.log.Warn("deliveries wait", "why", err)
		if isKind(err, s3backend.BadLogin) {
			st := Status{State: Paused, Since: time.Now()}
			st.fail(err)
			o.tell(st)
		}
	case opened:
		o.log.Info("deliveries go on")
	}
}
