package outbox

import (
	"context"
	"errors"
	"time"

	"github.com/s3share/s3share/s3backend"
)

// While S3 is out of reach, nothing is attempted: the breaker is open, and a settled item is
// scheduled for later without one. Reachable has all of it tried at once.

// offlineBackoff is how long an item waits then, if Reachable is not called before.
const offlineBackoff = 15 * time.Second

func offline(err error) bool { return errors.Is(err, s3backend.ErrOffline) }

// offline returns how long requests are not attempted since S3 is out of reach, 0 if they are.
func (g *breaker) offline() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !offline(g.why) {
		return 0
	}
	return max(0, time.Until(g.until))
}

// Unreachable is called while S3 is out of reach, with the reason: an error with
// s3backend.ErrOffline.
func (o *Outbox) Unreachable(why error) {
	o.breaker.mu.Lock()
	defer o.breaker.mu.Unlock()
	o.breaker.until, o.breaker.why = time.Now().Add(offlineBackoff), why
}

// Reachable is called when S3 can be reached again.
func (o *Outbox) Reachable() {
	if o.breaker.reachable() {
		o.log.Info("deliveries go on")
	}
	o.tryAllNow()
}

// reachable closes a breaker that was open since S3 was out of reach, and reports whether it was.
func (g *breaker) reachable() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !offline(g.why) {
		return false
	}
	g.until, g.tries, g.why = time.Time{}, 0, nil
	return true
}

// reachable tries an item at once that has waited for S3, or for the end of a suspension.
func (it *Item) reachable() {
	it.mu.Lock()
	defer it.mu.Unlock()
	if !it.idle() || it.goneLocked() || it.state != Sealed || !it.gated && it.tries == 0 {
		return
	}
	it.gated, it.tries, it.reason = false, 0, nil
	it.scheduleOrParkLocked(0)
}

// pause returns after a time, or as soon as S3 can be reached again or a suspension ends. Its
// error is ctx's.
func (o *Outbox) pause(ctx context.Context, d time.Duration) error {
	o.mu.Lock()
	back := o.back
	o.mu.Unlock()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-back:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}
