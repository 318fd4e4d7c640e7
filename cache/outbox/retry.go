package outbox

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/s3share/s3share/s3backend"
)

// Patience: what fails is tried again after a while that doubles from the first of
// these to the last, with jitter, for as long as the daemon lives.
const (
	firstBackoff = time.Second
	lastBackoff  = time.Minute
	// blockedBackoff is for what only a person can change, such as a policy.
	blockedBackoff = 5 * time.Minute
	// loginBackoff is for credentials, which a person renews while waiting.
	loginBackoff = 10 * time.Second
	// gateStep is how soon it is noticed that a person has opened the gate.
	gateStep = time.Second
)

func backoff(try int) time.Duration {
	d := min(firstBackoff<<min(try, 10), lastBackoff)
	return d/2 + rand.N(d/2) // #nosec G404 -- nobody gains by guessing when it is tried again
}

func isKind(err error, k s3backend.Kind) bool { return errors.Is(err, k) }

// prospect is what an error says of the same request, if it is sent again.
type prospect uint8

const (
	likely   prospect = iota // time mends it
	doubtful                 // it may have been bad luck; what comes back each time is not
	hopeless                 // only a person can mend it
	answered                 // S3 has judged what it holds: what follows is its caller's matter
)

// triesDoubtful is how often a doubtful error is met before it counts as hopeless.
const triesDoubtful = 5

// prospects is the one table of them; a kind that is not here is likely to pass, and so
// are errors that are not S3's.
var prospects = map[s3backend.Kind]prospect{
	s3backend.NotExist:    answered,
	s3backend.Stale:       answered,
	s3backend.Denied:      hopeless,
	s3backend.NoBucket:    hopeless,
	s3backend.WrongOwner:  hopeless,
	s3backend.TooLarge:    hopeless,
	s3backend.Archived:    hopeless,
	s3backend.Refused:     hopeless,
	s3backend.CustomerKey: hopeless,
	s3backend.Corrupted:   doubtful,
	s3backend.OtherPart:   doubtful,
}

func prospectOf(err error) prospect {
	var kind s3backend.Kind
	switch {
	case errors.Is(err, errBaseGone):
		return hopeless
	case errors.Is(err, errContradiction):
		return doubtful
	case errors.As(err, &kind):
		return prospects[kind]
	}
	return likely
}

// passing reports whether the same request may succeed later.
func passing(err error) bool { return prospectOf(err) == likely || prospectOf(err) == doubtful }

// blocks reports whether a failure is one that time alone does not mend.
func blocks(err error) bool { return prospectOf(err) == hopeless }

// stays is blocks for an error that was met in each of so many attempts.
func stays(err error, tries int) bool {
	return blocks(err) || prospectOf(err) == doubtful && tries >= triesDoubtful
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

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
