package outbox

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/s3share/s3share/s3backend"
)

// delivery is one run of deliver, or of preuploadSealed.
type delivery struct {
	cancel    context.CancelCauseFunc
	done      chan struct{}
	preparing bool // it delivers nothing
	due       bool // the item was to be delivered during a preparing one; guarded by schedule.mu
}

// end lets those go on who wait for the end.
func (d *delivery) end() {
	close(d.done)
	d.cancel(nil)
}

// commitGrace is how long Hold waits for a commit in flight. Most end within it, and need not be
// reconciled afterwards.
const commitGrace = time.Second

// await waits until the delivery is over, and cuts it off if that takes long.
func (d *delivery) await(ctx context.Context) error {
	if d.preparing {
		d.cancel(errTaken) // there is no commit that would have to be reconciled
	}
	t := time.NewTimer(commitGrace)
	defer t.Stop()
	for {
		select {
		case <-d.done:
			return nil
		case <-t.C:
			d.cancel(errTaken)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// deliver makes one attempt to commit a settled item. A worker calls it.
func (it *Item) deliver() {
	if it.settle() {
		return
	}
	ctx, run := it.schedule.begin(it.o.ctx, func() (time.Duration, bool) {
		return it.o.Admission.delay(it.Key())
	})
	if run == nil {
		return
	}
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

	state, wait := it.schedule.end(err, context.Cause(ctx) != nil, it.o.Admission.gate)
	if wait > 0 {
		it.logFailed(err, state, wait)
	}
	it.notify()
	run.end()
	it.o.waiters.wake()
}

// logFailed logs why an attempt failed, and when the next one follows.
func (it *Item) logFailed(err error, state State, wait time.Duration) {
	level := slog.LevelWarn
	if isKind(err, s3backend.BadLogin) || isKind(err, s3backend.Busy) || offline(err) {
		level = slog.LevelDebug // all deliveries wait, which is logged once
	}
	it.o.log.Log(context.Background(), level, "not delivered", "key", it.Key(), "state", state,
		"again in", wait.Round(time.Second), "err", err)
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
	it.schedule.delivered()
	it.o.forget(it)
}
