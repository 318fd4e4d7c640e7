package outbox

import (
	"context"

	"github.com/s3share/s3share/cache/outbox/parts"
	"github.com/s3share/s3share/cache/outbox/stage"
)

// preuploadSealed sends the parts of a large file that was closed while it settles, so
// that nothing but the completion of its upload is left to do then. Nobody sees
// any of it before. What fails is done again by the commit, with all its patience;
// whoever takes the item back before has only wasted the requests.
func (it *Item) preuploadSealed() {
	if it.o.breaker.reason() != nil {
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

// beginPreparing begins an attempt that is no delivery yet, of an item that nobody is at work
// on and that has this state; else it returns no attempt.
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

// endPreparing ends it. If the item was to be delivered meanwhile, it is now.
func (it *Item) endPreparing(a *delivery) {
	it.mu.Lock()
	it.delivery = nil
	due := a.due
	if it.up != nil {
		it.up.resume() // for who writes it again
	}
	it.mu.Unlock()
	close(a.done)
	a.cancel(nil)
	if due {
		it.o.enqueue(it)
	}
}

// prepare does all of a commit by parts that nobody can see.
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

// preupload sends the complete parts of a new file while it is written; end is where
// the last write ended. It returns at once.
func (it *Item) preupload(end int64) {
	if it.stage.BaseFitsOnePut() {
		it.materializeAsync()
		return
	}
	if it.stage.Size() <= parts.Size || it.stage.OverBase() {
		return // as yet it goes by one PutObject
	}
	it.mu.Lock()
	if it.denied != nil || it.noPreupload || it.privateLocked() {
		it.mu.Unlock()
		return
	}
	if it.up == nil {
		it.up = newUpload(it.o, parts.LayoutFor(it.stage.Size()))
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
func (up *upload) takeReady(end int64, st *stage.Stage, largeParts func() bool) (ready []parts.Part) {
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

// largePartsFitSettle reports whether larger parts than the first are there while a file settles: with
// smaller ones it would not be delivered sooner.
func (o *Outbox) largePartsFitSettle() bool {
	return o.uplink.FitsWithin(parts.FirstGrowth*parts.Size, o.cfg.Settle)
}

// preuploadTail sends the rest of a closed file, without waiting for what is under way.
func (it *Item) preuploadTail() {
	up := it.upload()
	if up == nil {
		return
	}
	up.seal()
	it.preupload(it.stage.Size())
}

// preuploadPart sends one part early. Whatever fails is done again by the commit.
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

// sendRefusedPart sends a part again that S3 has refused, once for all parts that
// were on their way. If it is refused again, the program that still writes the file
// is told by its next write: the file cannot be delivered. One refusal alone does not
// prove that: right after a policy was changed, some of S3's servers still go by the
// old one.
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

// denyWrites fails the next write to the file with err, and sends no more parts until it
// is closed.
func (it *Item) denyWrites(err error) {
	it.mu.Lock()
	defer it.mu.Unlock()
	if it.denied == nil {
		it.o.log.Warn("S3 refuses a file that is being written", "key", it.key, "err", err)
	}
	it.denied = err
}

// createUpload creates the upload that the parts go to, once. Where S3 refuses it, the
// program that still writes is told by its next write.
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

// maxPreuploads is how many parts of one file go up while it is written.
const maxPreuploads = 32
