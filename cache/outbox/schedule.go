package outbox

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/s3share/s3share/cache/outbox/parts"
	"github.com/s3share/s3share/s3backend"
)

// schedule is whether and when an item is delivered. It is a plain value, which Item.mu guards.
type schedule struct {
	state    State
	since    time.Time // when it was opened or closed last
	writers  int       // holds; it is delivered when there are none
	timer    *time.Timer
	tries    int
	gated    bool        // it waits until S3 can be reached
	delivery *delivery   // under way; nil for none
	reason   error       // of the last failure
	notified State       // the state that a person was told last
	unnamed  atomic.Bool // it is never delivered: its name was removed, or it was dropped
}

// delivery is one run of deliver, or of preuploadSealed.
type delivery struct {
	cancel    context.CancelCauseFunc
	done      chan struct{}
	preparing bool // it delivers nothing
	due       bool // the item was to be delivered during a preparing one; guarded by Item.mu
}

// idle reports whether nobody writes to the item, and no delivery of it is under way.
func (s *schedule) idle() bool { return s.writers == 0 && s.delivery == nil }

// hold adds a writer. The item is not delivered before the writer releases it.
func (s *schedule) hold() {
	s.writers++
	s.state, s.since = Open, time.Now()
	if s.timer != nil {
		s.timer.Stop()
	}
}

// begin begins a delivery, or the preparation of one. ctx ends it.
func (s *schedule) begin(ctx context.Context, preparing bool) (context.Context, *delivery) {
	ctx, cancel := context.WithCancelCause(ctx)
	s.delivery = &delivery{cancel: cancel, done: make(chan struct{}), preparing: preparing}
	return ctx, s.delivery
}

// failed records why a delivery failed, and returns when it is tried again.
func (s *schedule) failed(err error) (wait time.Duration) {
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

// after has f called after d, and not when it was to be called before.
func (s *schedule) after(d time.Duration, f func()) {
	if s.timer == nil {
		s.timer = time.AfterFunc(d, f)
		return
	}
	s.timer.Reset(d)
}

// Hold takes the item back from delivery, for one more writer or to rename it; the caller calls
// Release. A delivery that is in flight is given a moment to end, then canceled. The error is
// ErrGone once the item is not pending any more.
func (it *Item) Hold(ctx context.Context) error {
	it.mu.Lock()
	for {
		if it.goneLocked() {
			it.mu.Unlock()
			return ErrGone
		}
		a := it.delivery
		if a == nil {
			break
		}
		it.mu.Unlock()
		if err := a.await(ctx); err != nil {
			return err
		}
		it.mu.Lock()
	}
	it.schedule.hold()
	it.mu.Unlock()
	it.o.notifyChanged()
	return nil
}

// commitGrace is how long Hold waits for a commit in flight. Most end within it, and need not be
// reconciled afterwards.
const commitGrace = time.Second

// await waits until the attempt is over, and cuts it off if that takes long.
func (a *delivery) await(ctx context.Context) error {
	if a.preparing {
		a.cancel(errTaken) // there is no commit that would have to be reconciled
	}
	t := time.NewTimer(commitGrace)
	defer t.Stop()
	for {
		select {
		case <-a.done:
			return nil
		case <-t.C:
			a.cancel(errTaken)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// awaitCommit waits until no commit of the item is under way, and cancels one that takes long.
func (it *Item) awaitCommit(ctx context.Context) error {
	it.mu.Lock()
	a := it.delivery
	it.mu.Unlock()
	if a == nil || a.preparing {
		return nil
	}
	return a.await(ctx)
}

func (it *Item) isGone() bool {
	it.mu.Lock()
	defer it.mu.Unlock()
	return it.goneLocked()
}

func (it *Item) goneLocked() bool {
	select {
	case <-it.gone:
		return true
	default:
		return false
	}
}

// isClosed reports whether no program has the item open for writing.
func (it *Item) isClosed() bool {
	_, closed := it.closedSince()
	return closed
}

// closedSince returns since when no program has the item open for writing; false if one has.
func (it *Item) closedSince() (since time.Time, closed bool) {
	it.mu.Lock()
	defer it.mu.Unlock()
	return it.since, it.writers == 0 && !it.goneLocked()
}

// Release ends one hold. After the last, the item is sealed, and committed when it has settled.
func (it *Item) Release() {
	if it.lastHold() {
		if err := it.seal(); err != nil {
			it.o.log.Error("a closed file would not survive the end of this process", "key", it.Key(),
				"err", err)
		}
	}
	it.mu.Lock()
	it.writers--
	if it.writers == 0 && !it.goneLocked() {
		it.since = time.Now()
		it.state, it.reason, it.tries = Sealed, nil, 0
		it.uploading.retry()
		settle := it.o.cfg.Settle
		if it.stage != nil && it.WasCommitted() {
			settle = 0 // there is nothing to wait for
		}
		it.scheduleOrParkLocked(settle)
		if it.state == Sealed && it.stage != nil && it.stage.Size() > parts.Size {
			it.o.work.Go(it.preuploadSealed)
		}
	}
	it.mu.Unlock()
	it.notify()
	it.o.notifyChanged()
}

// ReleaseCut is Release for a writer that will not be heard of again. If it has not closed the file,
// the item is interrupted.
func (it *Item) ReleaseCut() {
	if !it.isSealed() {
		it.interrupt(interruption{why: errWasOpen})
	}
	it.Release()
}

// lastHold reports whether the caller's hold is the last. Then it interrupts the item if a writer
// is known to have been killed.
func (it *Item) lastHold() bool {
	it.mu.Lock()
	defer it.mu.Unlock()
	last := it.writers == 1 && !it.goneLocked()
	if last {
		it.interruptIfKilled(true)
	}
	return last
}

// scheduleOrParkLocked schedules a closed item, or sets the state in which it stays here.
func (it *Item) scheduleOrParkLocked(d time.Duration) {
	it.o.wakeSyncer()
	why := it.interruptedBy()
	switch {
	case it.isPrivate():
		it.state = Local
		it.deferRemoval()
		if it.hasWriters() {
			it.scheduleLocked(d) // for settleWriters: it may get another name later
		}
	case why != nil:
		it.state, it.reason = Interrupted, why
		it.clearWriters()
	default:
		it.scheduleLocked(d)
	}
}

// scheduleLocked has a worker deliver the item after d.
func (it *Item) scheduleLocked(d time.Duration) {
	it.schedule.after(d, func() { it.o.enqueue(it) })
}

// clearReason forgets why the item was not delivered: a program writes to it.
func (it *Item) clearReason() {
	it.mu.Lock()
	defer it.mu.Unlock()
	it.reason = nil
}

// Retry commits a blocked or waiting item now, and reports whether it is one.
func (it *Item) Retry() bool {
	it.mu.Lock()
	defer it.mu.Unlock()
	if !it.idle() || it.goneLocked() ||
		it.state != Sealed && it.state != Blocked {
		return false
	}
	it.state, it.tries = Sealed, 0
	it.scheduleOrParkLocked(0)
	return true
}

// Deliver sends an interrupted item as it is.
func (it *Item) Deliver() error {
	done, err := it.sealAsIs(it.isInterrupted)
	if !done {
		return err
	}
	it.mu.Lock()
	defer it.mu.Unlock()
	if it.state == Interrupted && it.writers == 0 && !it.goneLocked() {
		it.state = Sealed
		it.scheduleOrParkLocked(0)
	}
	return nil
}

// isInterrupted reports whether the item is kept here because its content may not be complete.
func (it *Item) isInterrupted() bool {
	it.mu.Lock()
	defer it.mu.Unlock()
	return it.state == Interrupted
}
