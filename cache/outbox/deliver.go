package outbox

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/s3share/s3share/s3backend"
)

// deliver makes one attempt to commit a settled item. A worker calls it.
func (it *Item) deliver() {
	if it.settleWriters() {
		return
	}
	it.mu.Lock()
	if a := it.delivery; a != nil && a.preparing {
		a.due = true
	}
	if !it.idle() || it.goneLocked() ||
		it.state != Sealed && it.state != Blocked {
		it.mu.Unlock()
		return
	}
	if wait, gated := it.o.Admission.delay(it.Key()); wait > 0 {
		it.gated = it.gated || gated
		it.scheduleLocked(wait) // to look again
		it.mu.Unlock()
		return
	}
	it.gated = false
	ctx, a := it.schedule.begin(it.o.ctx, false)
	it.state = Uploading
	it.mu.Unlock()

	var obj s3backend.Object
	err := it.o.Admission.wait(ctx)
	if err == nil {
		obj, err = it.commit(ctx)
		it.o.Admission.record(err)
	}
	if errors.Is(err, errOvertaken) {
		it.mayDiffer.Store(true)
		it.overtaken.Store(true)
		err = nil
	}
	if err == nil {
		it.finish(obj)
	}

	it.mu.Lock()
	it.delivery = nil
	if err != nil {
		it.failedLocked(err, context.Cause(ctx) != nil)
	}
	it.mu.Unlock()
	it.notify()
	close(a.done)
	a.cancel(nil)
	it.o.notifyChanged()
}

// failedLocked records why an attempt failed, and schedules the next.
func (it *Item) failedLocked(err error, cut bool) {
	it.state = Sealed
	if cut {
		return // who canceled it releases the item, or the outbox closes
	}
	if isSuspended(err) {
		it.suspendedLocked()
		return
	}
	wait := it.schedule.failed(err)
	level := slog.LevelWarn
	if isKind(err, s3backend.BadLogin) || isKind(err, s3backend.Busy) || offline(err) {
		level = slog.LevelDebug // all deliveries wait, which is logged once
	}
	it.o.log.Log(context.Background(), level, "not delivered", "key", it.Key(), "state", it.state,
		"again in", wait.Round(time.Second), "err", err)
	it.scheduleLocked(wait)
}

// notify reports, once, that the file stays here until a person does something.
func (it *Item) notify() {
	st := it.Status()
	it.mu.Lock()
	before := it.notified
	it.notified = st.State
	it.mu.Unlock()
	if st.State != before && (st.State == Blocked || st.State == Interrupted) {
		it.o.notify(st)
	}
}

// finish ends an item that S3 has confirmed as obj.
func (it *Item) finish(obj s3backend.Object) {
	it.o.ambiguous.clear(obj.Key)
	it.clearAmbiguous(obj.Key)
	it.o.notRemoved.drop(obj.Key)
	removeObsolete := it.noteObsolete()
	it.uploading.set(nil)
	whole := it.stage != nil && it.stage.Complete() && !it.mayDiffer.Load()
	failpoint("delivered")
	if st := it.Status(); st.Theirs != "" {
		st.State = Conflict
		it.o.conflicts.add(st)
	}
	it.o.events.Confirmed(it, obj)
	// First: after the next event, another item may stand for this file, and a later process must
	// not deliver this one again.
	done := it.log.end()
	if !whole {
		done = ""
	}
	it.o.events.Delivered(it, obj, done)
	removeObsolete() // nobody reads them through this item any more
	it.erase()
	it.mu.Lock()
	if !it.goneLocked() {
		close(it.gone)
	}
	it.mu.Unlock()
	it.o.forget(it)
}
