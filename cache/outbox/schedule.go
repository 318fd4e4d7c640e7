package outbox

import (
	"context"
	"time"

	"github.com/s3share/s3share/cache/outbox/parts"
)

// delivery is one run of deliver, or of preuploadSealed.
type delivery struct {
	cancel    context.CancelCauseFunc
	done      chan struct{}
	preparing bool // it delivers nothing
	due       bool // the item was to be delivered during a preparing one; guarded by Item.mu
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
	it.writers++
	it.state, it.since = Open, time.Now()
	if it.timer != nil {
		it.timer.Stop()
	}
	it.mu.Unlock()
	it.o.wake()
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
		it.state, it.reason, it.tries, it.denied, it.noPreupload = Sealed, nil, 0, nil, false
		settle := it.o.cfg.Settle
		if it.stage != nil && it.inS3Locked() {
			settle = 0 // there is nothing to wait for
		}
		it.scheduleOrParkLocked(settle)
		if it.state == Sealed && it.stage != nil && it.stage.Size() > parts.Size {
			it.o.work.Go(it.preuploadSealed)
		}
	}
	it.mu.Unlock()
	it.notify()
	it.o.wake()
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
	switch {
	case it.privateLocked():
		it.state = Local
		it.deferRemovalLocked()
		if len(it.writtenBy) > 0 {
			it.scheduleLocked(d) // for settleWriters: it may get another name later
		}
	case it.interrupted != nil:
		it.state, it.reason = Interrupted, it.interrupted.why
		it.writtenBy.clear() // they do not count any more
	default:
		it.scheduleLocked(d)
	}
}

func (it *Item) scheduleLocked(d time.Duration) {
	if it.timer == nil {
		it.timer = time.AfterFunc(d, func() { it.o.enqueue(it) })
		return
	}
	it.timer.Reset(d)
}

// Retry commits a blocked or waiting item now, and reports whether it is one.
func (it *Item) Retry() bool {
	it.mu.Lock()
	defer it.mu.Unlock()
	if it.writers > 0 || it.delivery != nil || it.goneLocked() ||
		it.state != Sealed && it.state != Blocked {
		return false
	}
	it.state, it.tries = Sealed, 0
	it.scheduleOrParkLocked(0)
	return true
}
