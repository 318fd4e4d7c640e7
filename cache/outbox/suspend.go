package outbox

import (
	"context"
	"errors"
	"time"
)

// While deliveries are suspended, no request begins that changes what S3 holds: no upload, part,
// copy or removal. Those in flight end. Nothing is said of S3, which can be read as before.
// The upload of an item that is given up is aborted all the same: it is one small request, and its
// parts cost money until then.

// ErrSuspended is the error of what is not done while deliveries are suspended; see
// [SuspendedError].
var ErrSuspended = errors.New("deliveries are paused")

// SuspendedError is why nothing is sent while deliveries are suspended.
type SuspendedError struct {
	Since   time.Time
	Metered bool // because the connection is metered; else a person has asked for it
}

func (e *SuspendedError) Error() string {
	s := ErrSuspended.Error() + " since " + e.Since.Format(time.RFC3339)
	if e.Metered {
		s += ", as the connection is metered"
	}
	return s
}

// Is reports whether target is ErrSuspended.
func (e *SuspendedError) Is(target error) bool { return target == ErrSuspended }

// suspendPoll is how long an item waits while deliveries are suspended, if Suspend does not end it
// before.
const suspendPoll = time.Minute

func isSuspended(err error) bool { return errors.Is(err, ErrSuspended) }

// Suspend suspends deliveries because of why; nil ends that, and what waits is tried at once.
func (o *Outbox) Suspend(why *SuspendedError) {
	was := o.Admission.suspended.Swap(why)
	switch {
	case why != nil:
		o.log.Info("deliveries are suspended", "since", why.Since, "metered", why.Metered)
		o.waiters.wake()
	case was != nil:
		o.log.Info("deliveries are not suspended any more")
		o.tryAllNow()
	}
}

// Suspension returns why deliveries are suspended: a *SuspendedError, or nil.
func (a *Admission) Suspension() error {
	if why := a.suspended.Load(); why != nil {
		return why
	}
	return nil
}

// awaitUnsuspended returns when deliveries are not suspended, or with ctx's error.
func (a *Admission) awaitUnsuspended(ctx context.Context) error {
	for a.Suspension() != nil {
		if err := a.pause(ctx, suspendPoll); err != nil {
			return err
		}
	}
	return nil
}

// tryAllNow tries at once what has waited for S3, or for the end of a suspension.
func (o *Outbox) tryAllNow() {
	o.Admission.endPauses()
	for _, it := range o.Items() {
		it.schedule.retryGated()
	}
	o.removals.unsuspend()
	o.waiters.wake()
}

// unsuspend sends what was queued meanwhile. What has waited for long is sent on the condition
// that S3 still holds the version.
func (r *removals) unsuspend() {
	r.mu.Lock()
	defer r.mu.Unlock()
	queued := append(r.batched, r.conditional...)
	r.batched, r.conditional = nil, nil
	for _, t := range queued {
		r.queueLocked(t)
	}
}
