package outbox

import (
	"context"

	"github.com/s3share/s3share/cache/outbox/parts"
	"github.com/s3share/s3share/cache/outbox/stage"
)

// preuploadSealed sends the parts of a large file that was closed while it settles, so that only
// the completion of its upload is left to do then. Nobody sees any of it before. What fails is done
// again by the commit, with all its retries. If the item is taken back before, the requests were in
// vain.
func (it *Item) preuploadSealed() {
	if it.o.breaker.reason() != nil || it.o.Suspension() != nil {
		return
	}
	ctx, a := it.beginPreparing(Sealed)
	if a == nil {
		return
	}
	if err := it.prepare(ctx); err != nil && context.Cause(ctx) == nil {
		it.o.log.Debug("parts not sent yet", "key", it.Key(), "err", err)
	}
	it.endPreparing(a)
}

// beginPreparing begins a run that delivers nothing yet, of an item in this state of which no other
// run is in flight; else it returns none.
func (it *Item) beginPreparing(state State) (context.Context, *delivery) {
	it.mu.Lock()
	defer it.mu.Unlock()
	if it.writers > 0 || it.delivery != nil || it.goneLocked() || it.state != state {
		return nil, nil
	}
	ctx, cancel := context.WithCancelCause(it.o.ctx)
	it.delivery = &delivery{cancel: cancel, done: make(chan struct{}), preparing: true}
	return ctx, it.delivery
}

// endPreparing ends the run. If the item was to be delivered meanwhile, it is now.
func (it *Item) endPreparing(a *delivery) {
	it.mu.Lock()
	it.delivery = nil
	due := a.due
	if it.up != nil {
		it.up.resume() // it may be written again
	}
	it.mu.Unlock()
	close(a.done)
	a.cancel(nil)
	if due {
		it.o.enqueue(it)
	}
}

// prepare does everything of a commit by parts that nobody can see.
func (it *Item) prepare(ctx context.Context) error {
	if err := it.stage.Open(); err != nil {
		return err
	}
	defer it.stage.Close()
	it.mu.Lock()
	key, delivered := it.key, it.inS3Locked()
	it.mu.Unlock()
	if _, copied := it.committedElsewhere(); copied {
		return nil
	}
	size := it.stage.Size()
	if delivered || size <= parts.Size || it.headerOnly() {
		return nil
	}
	h, err := it.makeHeader(ctx, newCommitID())
	if err != nil {
		return err
	}
	it.preuploadTail()
	_, _, err = it.uploadParts(ctx, key, size, h)
	return err
}

// preupload sends the complete parts of a new file while it is written. end is where the last write
// ended. It returns at once.
func (it *Item) preupload(end int64) {
	if it.stage.BaseFitsOnePut() {
		it.materializeAsync()
		return
	}
	if it.stage.Size() <= parts.Size || it.stage.OverBase() {
		return // as yet it goes by one PutObject
	}
	if it.o.Suspension() != nil {
		return
	}
	it.mu.Lock()
	if it.denied != nil || it.noPreupload || it.privateLocked() {
		it.mu.Unlock()
		return
	}
	if it.up == nil {
		it.up = newUpload(it.o.ctx, parts.LayoutFor(it.stage.Size()))
	}
	up := it.up
	it.mu.Unlock()
	for _, p := range up.takeReady(end, it.stage, it.o.largePartsFitSettle) {
		it.o.work.Go(func() { it.preuploadPart(up, p) })
	}
}

// takeReady returns the parts that are complete and are not sent yet, as far as they may be in
// flight. end is where the last write to st ended. The caller sends them and calls partEnded
// for each.
func (up *upload) takeReady(end int64, st *stage.Stage,
	largeParts func() bool) (ready []parts.Part) {
	up.mu.Lock()
	defer up.mu.Unlock()
	for !up.closed && up.inFlight < maxPreuploads && up.next <= parts.MaxCount {
		p := up.layout.Part(up.next)
		if p.N > up.layout.First && up.next < parts.PerTier && !largeParts() {
			up.restartLocked()
			p = up.layout.Part(up.next)
		}
		if up.sealed {
			p.N = min(p.N, end-p.Off)
		} else if end < p.Off+p.N || !st.Has(p.Off, p.Off+p.N) {
			return ready
		}
		if p.N <= 0 {
			return ready
		}
		up.next++
		if d, ok := up.done[p.Num]; ok && d.Part == p && !st.ChangedSince(p.Off, p.Off+p.N, d.seq) {
			continue // sent when the file was closed before
		}
		up.inFlight++
		ready = append(ready, p)
	}
	return ready
}

// partEnded ends a part of takeReady, whether it was sent or not.
func (up *upload) partEnded() {
	up.mu.Lock()
	defer up.mu.Unlock()
	up.inFlight--
	if up.closed && up.inFlight == 0 {
		close(up.idle)
	}
}

// seal lets the last part be sent: the file is closed.
func (up *upload) seal() {
	up.mu.Lock()
	defer up.mu.Unlock()
	up.restartLocked()
	up.sealed = !up.layout.IsZero()
}

// largePartsFitSettle reports whether parts larger than the first arrive while a file settles: then
// smaller ones would not deliver it sooner.
func (o *Outbox) largePartsFitSettle() bool {
	return o.uplink.FitsWithin(parts.FirstGrowth*parts.Size, o.cfg.Settle)
}

// preuploadTail sends the rest of a closed file, without waiting for what is in flight.
func (it *Item) preuploadTail() {
	up := it.upload()
	if up == nil {
		return
	}
	up.seal()
	it.preupload(it.stage.Size())
}

// preuploadPart sends one part early. The commit does again what fails.
func (it *Item) preuploadPart(up *upload, p parts.Part) {
	err := it.createUpload(up)
	if err == nil {
		it.noteLayout(up)
		err = it.stage.Open()
	}
	if err == nil {
		err = it.uploadPart(up.ctx, up, p)
		if isPermanent(err) {
			err = it.sendRefusedPart(up, p, err)
		}
		it.stage.Close()
	}
	if err != nil && up.ctx.Err() == nil {
		it.o.log.Debug("part not sent yet", "key", it.Key(), "part", p.Num, "err", err)
	}
	up.partEnded()
	if err == nil {
		it.preupload(it.stage.Size())
	}
}

// sendRefusedPart sends a part again that S3 has refused, once for all parts in flight. If it is
// refused again, the next write to the file returns the error: the file cannot be delivered. One
// refusal alone does not prove that: right after a change of the policy, some of S3's servers still
// apply the old one.
func (it *Item) sendRefusedPart(up *upload, p parts.Part, because error) error {
	if !up.resending.CompareAndSwap(false, true) {
		return because
	}
	defer up.resending.Store(false)
	err := it.uploadPart(up.ctx, up, p)
	if isPermanent(err) {
		it.denyWrites(err)
	}
	return err
}

// denyWrites makes the next write to the file return err, and no more parts are sent until it is
// closed.
func (it *Item) denyWrites(err error) {
	it.mu.Lock()
	defer it.mu.Unlock()
	if it.denied == nil {
		it.o.log.Warn("S3 refuses a file that is being written", "key", it.key, "err", err)
	}
	it.denied = err
}

// createUpload creates the upload for the parts, once. If S3 refuses it, the next write to the file
// returns the error.
func (it *Item) createUpload(up *upload) error {
	up.create.Do(func() {
		h, err := it.makeHeader(up.ctx, newCommitID())
		if err == nil {
			up.remote, err = it.o.bucket.CreateUpload(up.ctx, it.Key(), h)
		}
		if err == nil {
			up.header = h
			err = it.note(up.record())
		}
		up.err = err
		switch {
		case err == nil:
		case isPermanent(err):
			it.denyWrites(err)
		default:
			it.mu.Lock()
			it.noPreupload = true // the commit tries again, with all its patience
			it.mu.Unlock()
		}
	})
	return up.err
}

// maxPreuploads is the maximum number of parts of one file in flight while it is written.
const maxPreuploads = 32
