package outbox

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/s3share/s3share/s3backend"
)

// schedule is whether and when an item is delivered: its state, who holds it, and the delivery that
// is under way. Its lock is taken before those of the content and of the target. Its methods call
// the functions that they are given, and place, with the lock held.
type schedule struct {
	place   func() placement // returns where the item goes, which is closed
	enqueue func()           // has a worker deliver the item

	gone    chan struct{} // closed when the item is delivered or dropped
	unnamed atomic.Bool   // it is never delivered: its name was removed, or it was dropped

	mu       sync.Mutex // guards the fields below
	state    State
	since    time.Time // when it was opened or closed last
	writers  int       // holds; it is delivered when there are none
	timer    *time.Timer
	tries    int
	gated    bool      // it waits until S3 can be reached
	delivery *delivery // under way; nil for none
	reason   error     // of the last failure
	notified State     // the state that a person was told last
}

// placement is where a closed item goes.
type placement struct {
	state State // Sealed if it is delivered; else it stays here
	why   error // why it is interrupted
	look  bool  // a worker looks at it, and delivers it if it is Sealed
}

// hold adds a writer: the item is not delivered before that releases it. A delivery that is in
// flight is given a moment to end, then canceled. The error is ErrGone once the item is not pending
// any more.
func (s *schedule) hold(ctx context.Context) error {
	for {
		d, err := s.tryHold()
		if d == nil || err != nil {
			return err
		}
		if err := d.await(ctx); err != nil {
			return err
		}
	}
}

// tryHold is hold if no delivery is under way; else it returns that.
func (s *schedule) tryHold() (*delivery, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.goneLocked():
		return nil, ErrGone
	case s.delivery == nil:
		s.holdLocked()
	}
	return s.delivery, nil
}

func (s *schedule) holdLocked() {
	s.writers++
	s.state, s.since = Open, time.Now()
	if s.timer != nil {
		s.timer.Stop()
	}
}

// release ends a hold. After the last, closing is called, and returns after which time the item is
// delivered. It reports whether the item will be delivered.
func (s *schedule) release(closing func() time.Duration) (sealed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writers--
	if s.writers > 0 || s.goneLocked() {
		return false
	}
	s.since, s.state, s.reason, s.tries = time.Now(), Sealed, nil, 0
	s.placeLocked(closing())
	return s.state == Sealed
}

// placeLocked schedules a closed item to be delivered after d, or sets the state in which it stays
// here.
func (s *schedule) placeLocked(d time.Duration) {
	to := s.place()
	s.state = to.state
	if to.why != nil {
		s.reason = to.why
	}
	if to.look {
		s.afterLocked(d)
	}
}

// afterLocked has a worker look at the item after d, and not when it was to do so before.
func (s *schedule) afterLocked(d time.Duration) {
	if s.timer == nil {
		s.timer = time.AfterFunc(d, s.enqueue)
		return
	}
	s.timer.Reset(d)
}

// idleLocked reports whether the item is pending, nobody writes to it, and no delivery of it is
// under way.
func (s *schedule) idleLocked() bool {
	return s.writers == 0 && s.delivery == nil && !s.goneLocked()
}

// resume schedules an item that was recovered, and returns its state.
func (s *schedule) resume() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = Sealed
	s.placeLocked(0)
	return s.state
}

// retry has a blocked or waiting item delivered now, and reports whether it is one.
func (s *schedule) retry() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.idleLocked() || s.state != Sealed && s.state != Blocked {
		return false
	}
	s.tries = 0
	s.placeLocked(0)
	return true
}

// retryGated has an item delivered now that has waited for S3, or for the end of a suspension.
func (s *schedule) retryGated() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.idleLocked() || s.state != Sealed || !s.gated && s.tries == 0 {
		return
	}
	s.gated, s.tries, s.reason = false, 0, nil
	s.placeLocked(0)
}

// retryInterrupted has an item delivered now that is not interrupted any more.
func (s *schedule) retryInterrupted() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == Interrupted && s.writers == 0 && !s.goneLocked() {
		s.placeLocked(0)
	}
}

// settle is called when a closed file has settled. It reports whether nobody writes to it, and
// whether it is kept here since it is interrupted.
func (s *schedule) settle(interrupted func() bool) (closed, kept bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writers > 0 || s.goneLocked() {
		return false, false
	}
	if kept = interrupted() && s.state == Sealed; kept {
		s.placeLocked(0)
	}
	return true, kept
}

// begin begins to deliver an item that is to be delivered now; else it returns none. delay returns
// how long it has to wait, and whether it may be sooner, once all is tried again.
func (s *schedule) begin(ctx context.Context,
	delay func() (wait time.Duration, gated bool)) (context.Context, *delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := s.delivery; d != nil && d.preparing {
		d.due = true
	}
	if !s.idleLocked() || s.state != Sealed && s.state != Blocked {
		return nil, nil
	}
	if wait, gated := delay(); wait > 0 {
		s.gated = s.gated || gated
		s.afterLocked(wait) // to look again
		return nil, nil
	}
	s.gated, s.state = false, Uploading
	return s.beginLocked(ctx, false)
}

// beginPreparing begins a run that delivers nothing yet, of an item in this state of which no other
// run is in flight; else it returns none.
func (s *schedule) beginPreparing(ctx context.Context, state State) (context.Context, *delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.idleLocked() || s.state != state {
		return nil, nil
	}
	return s.beginLocked(ctx, true)
}

func (s *schedule) beginLocked(ctx context.Context, preparing bool) (context.Context, *delivery) {
	ctx, cancel := context.WithCancelCause(ctx)
	s.delivery = &delivery{cancel: cancel, done: make(chan struct{}), preparing: preparing}
	return ctx, s.delivery
}

// end ends the delivery that is under way. If err is not nil, it has failed, and the item is
// delivered again: after wait; after gate, if deliveries are suspended; or when it is released,
// since it was cut off. The caller calls delivery.end.
func (s *schedule) end(err error, cut bool, gate func() time.Duration) (st State,
	wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delivery = nil
	if err == nil {
		return s.state, 0
	}
	s.state = Sealed
	switch {
	case cut: // who canceled it releases the item, or the outbox closes
	case isSuspended(err):
		s.gated = true
		s.afterLocked(gate())
	default:
		wait = s.failedLocked(err)
		s.afterLocked(wait)
	}
	return s.state, wait
}

// failedLocked records why a delivery failed, and returns when it is tried again.
func (s *schedule) failedLocked(err error) (wait time.Duration) {
	s.reason = err
	wait = backoff(s.tries)
	s.tries++
	switch {
	case isPermanentAfter(err, s.tries):
		s.state, wait = Blocked, blockedBackoff
	case isKind(err, s3backend.BadLogin):
		wait = loginBackoff // that of the breaker, so that it goes on at once
	case offline(err):
		wait = offlineBackoff
	}
	return wait
}

// endPreparing ends a run of beginPreparing, and queues the item if it was to be delivered
// meanwhile.
func (s *schedule) endPreparing(d *delivery) {
	s.mu.Lock()
	s.delivery = nil
	due := d.due
	s.mu.Unlock()
	d.end()
	if due {
		s.enqueue()
	}
}

// awaitDelivery waits until no delivery of the item is under way, and cancels one that takes long.
func (s *schedule) awaitDelivery(ctx context.Context) error {
	s.mu.Lock()
	d := s.delivery
	s.mu.Unlock()
	if d == nil || d.preparing {
		return nil
	}
	return d.await(ctx)
}
