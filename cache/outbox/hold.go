package outbox

import (
	"context"
	"time"

	"github.com/s3share/s3share/cache/outbox/parts"
)

// Hold takes the item back from delivery, for one more writer or to rename it; the caller calls
// Release. A delivery that is in flight is given a moment to end, then canceled. The error is
// ErrGone once the item is not pending any more.
func (it *Item) Hold(ctx context.Context) error {
	err := it.schedule.hold(ctx)
	if err == nil {
		it.o.waiters.wake()
	}
	return err
}

// Release ends one hold. After the last, the item is sealed, and committed when it has settled.
func (it *Item) Release() {
	if it.schedule.isLastHold() {
		it.interruptIfKilled(true)
		if err := it.seal(); err != nil {
			it.o.log.Error("a closed file would not survive the end of this process",
				"key", it.Key(),
				"err", err)
		}
	}
	sealed := it.schedule.release(it.closing)
	if sealed && it.stage != nil && it.stage.Size() > parts.Size {
		it.o.work.Go(it.preuploadSealed)
	}
	it.notify()
	it.o.waiters.wake()
}

// closing returns after which time the item is delivered, which has been released.
func (it *Item) closing() time.Duration {
	it.uploading.retry()
	if it.stage != nil && it.WasCommitted() {
		return 0 // there is nothing to wait for
	}
	return it.o.cfg.Settle
}

// ReleaseCut is Release for a writer that will not be heard of again. If it has not closed the
// file, the item is interrupted.
func (it *Item) ReleaseCut() {
	if !it.isSealed() {
		it.interrupt(interruption{why: errWasOpen})
	}
	it.Release()
}

// placement returns where the item goes when it is closed.
func (it *Item) placement() placement {
	it.o.journals.wakeSyncer()
	why := it.interruptedBy()
	switch {
	case it.isPrivate():
		it.deferRemoval()
		// settle looks at its writers: it may get another name later
		return placement{state: Local, look: it.hasWriters()}
	case why != nil:
		it.clearWriters()
		return placement{state: Interrupted, why: why}
	}
	return placement{state: Sealed, look: true}
}

// Retry commits a blocked or waiting item now, and reports whether it is one.
func (it *Item) Retry() bool { return it.schedule.retry() }

// Deliver sends an interrupted item as it is.
func (it *Item) Deliver() error {
	done, err := it.sealAsIs(it.schedule.isInterrupted)
	if done {
		it.schedule.retryInterrupted()
	}
	return err
}

// Resume schedules a recovered item and, if it is interrupted and may already be in S3, starts a
// goroutine that looks there.
func (it *Item) Resume() {
	state, t := it.schedule.resume(), it.target()
	if state == Interrupted && t.contentID != "" && t.contentIDSeq > 0 {
		it.o.work.Go(it.findDelivered)
	}
	it.notify()
}

// notify reports, once, that the file stays here until a person does something.
func (it *Item) notify() {
	st := it.Status()
	if it.schedule.setNotified(st.State) && (st.State == Blocked || st.State == Interrupted) {
		it.o.notify(st)
	}
}

// settle judges a file that has settled: it checks the writers for the last time, and whether the
// file is interrupted. It reports whether the file stays here.
func (it *Item) settle() (stays bool) {
	if !it.schedule.isClosed() {
		return false
	}
	it.checkWriters(true)
	news := false
	closed, kept := it.schedule.settle(func() (interrupted bool) {
		it.clearWriters()
		news = it.unnoted()
		return it.interruptedBy() != nil
	})
	if !closed {
		return true // its next close has it judged
	}
	if news {
		if err := it.seal(); err != nil {
			it.o.log.Error("the journal cannot say that a signal has ended the writer of a file",
				"key", it.Key(), "err", err)
		}
	}
	if kept {
		it.notify()
		it.o.waiters.wake()
	}
	return kept
}
