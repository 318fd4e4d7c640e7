package outbox

import (
	"context"

	"github.com/s3share/s3share/s3backend"
)

// findDelivered asks S3 whether it holds what an earlier process has sealed, where the
// machine has stopped since: the delivery may be older than what the disk knows. Then
// nothing is owed any more.
func (it *Item) findDelivered() {
	for try := 0; ; try++ {
		ctx, cancel := context.WithCancelCause(it.o.ctx)
		a := &attempt{cancel: cancel, done: make(chan struct{}), early: true}
		it.mu.Lock()
		if it.writers > 0 || it.attempt != nil || it.goneLocked() || it.state != Interrupted {
			it.mu.Unlock()
			cancel(nil)
			return // somebody has taken it up
		}
		it.attempt = a
		key, id := it.key, it.contentID
		it.mu.Unlock()

		cur, err := it.o.current(ctx, key)
		if err == nil && cur.ETag != "" && commitIDOf(cur.Header) == id {
			cur.Key = key
			it.unlike.Store(true) // what is here need not be what was sent
			it.finish(cur)
		}

		it.mu.Lock()
		it.attempt = nil
		if a.due { // somebody has it sent as it is meanwhile
			it.scheduleLocked(0)
		}
		it.mu.Unlock()
		close(a.done)
		cancel(nil)
		it.o.wake()
		if err == nil || !passing(err) || isKind(err, s3backend.Denied) || sleep(it.o.ctx, backoff(try)) != nil {
			return
		}
	}
}
