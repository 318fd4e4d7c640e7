package outbox

import (
	"context"

	"github.com/s3share/s3share/cache/outbox/parts"
)

// sendEarly sends the parts of a large file that was closed while it settles, so
// that nothing but the completion of its upload is left to do then. Nobody sees
// any of it before. What fails is done again by the commit, with all its patience;
// whoever takes the item back before has only wasted the requests.
func (it *Item) sendEarly() {
	if it.o.gate.reason() != nil {
		return
	}
	ctx, a := it.beginEarly(Sealed)
	if a == nil {
		return
	}
	if err := it.prepare(ctx); err != nil && context.Cause(ctx) == nil {
		it.o.log.Debug("parts not sent yet", "key", it.Key(), "err", err)
	}
	it.endEarly(a)
}

// beginEarly begins an attempt that is no delivery yet, of an item that nobody is at work
// on and that has this state; else it returns no attempt.
func (it *Item) beginEarly(state State) (context.Context, *attempt) {
	it.mu.Lock()
	defer it.mu.Unlock()
	if it.writers > 0 || it.attempt != nil || it.goneLocked() || it.state != state {
		return nil, nil
	}
	ctx, cancel := context.WithCancelCause(it.o.ctx)
	it.attempt = &attempt{cancel: cancel, done: make(chan struct{}), early: true}
	return ctx, it.attempt
}

// endEarly ends it. If the item was to be delivered meanwhile, it is now.
func (it *Item) endEarly(a *attempt) {
	it.mu.Lock()
	it.attempt = nil
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
	if _, copied := it.elsewhere(); copied {
		return nil
	}
	size := it.stage.Size()
	if delivered || size <= parts.Size || it.onlyHeader() {
		return nil
	}
	h, err := it.makeHeader(ctx, newCommitID())
	if err != nil {
		return err
	}
	it.streamRest()
	_, _, err = it.upParts(ctx, key, size, h)
	return err
}
