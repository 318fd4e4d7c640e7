package outbox

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/s3share/s3share/s3backend"
)

const (
	// removeBatch is how many keys one DeleteObjects takes.
	// Source: Amazon S3 API Reference, DeleteObjects.
	removeBatch = 1000
	// removeDelay gathers removals that come together into one request.
	removeDelay = 20 * time.Millisecond
	// removers is how many such requests run at once.
	removers = 4
)

// removals are the keys to be deleted, gathered into batches.
type removals struct {
	o *Outbox

	mu      sync.Mutex
	waiting map[string]time.Time
	sending map[string]time.Time
	running int
}

func newRemovals(o *Outbox) *removals {
	return &removals{o: o, waiting: map[string]time.Time{}, sending: map[string]time.Time{}}
}

// Remove deletes key at S3, soon and together with others; Events.Removed tells
// when it is done. Whether the policy allows it is for the caller to know.
func (o *Outbox) Remove(key string) {
	r := o.removals
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting[key] = time.Now()
	if r.running < removers {
		r.running++
		o.work.Go(r.run)
	}
}

// run sends batches until nothing waits.
func (r *removals) run() {
	for {
		select {
		case <-time.After(removeDelay):
		case <-r.o.ctx.Done():
		}
		r.mu.Lock()
		if len(r.waiting) == 0 || r.o.ctx.Err() != nil {
			r.running--
			r.mu.Unlock()
			r.o.wake()
			return
		}
		batch := map[string]time.Time{}
		for key, at := range r.waiting {
			if len(batch) == removeBatch {
				break
			}
			batch[key] = at
			delete(r.waiting, key)
		}
		maps.Copy(r.sending, batch)
		r.mu.Unlock()
		r.send(batch)
	}
}

// send deletes a batch, again after what may pass.
func (r *removals) send(batch map[string]time.Time) {
	keys := slices.Collect(maps.Keys(batch))
	for try := 0; len(keys) > 0; try++ {
		failed, err := r.o.bucket.DeleteAll(r.o.ctx, keys)
		var again []string
		for _, key := range keys {
			kerr := err
			if kerr == nil {
				kerr = failed[key]
			}
			if kerr != nil && passing(kerr) && r.o.ctx.Err() == nil {
				again = append(again, key)
				continue
			}
			r.mu.Lock()
			delete(r.sending, key)
			r.mu.Unlock()
			r.o.events.Removed(key, kerr)
		}
		r.o.wake()
		if keys = again; len(keys) > 0 && sleep(r.o.ctx, backoff(try)) != nil {
			return
		}
	}
}

func (r *removals) busy() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.waiting)+len(r.sending) > 0
}

func (r *removals) status() []Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []Status
	for _, m := range []map[string]time.Time{r.waiting, r.sending} {
		for key, at := range m {
			all = append(all, Status{Key: key, State: Uploading, Reason: "being removed", Since: at})
		}
	}
	return all
}

// passing tells an error that the same request may not meet again.
func passing(err error) bool {
	for _, k := range []s3backend.Kind{s3backend.Denied, s3backend.NoBucket, s3backend.TooLarge, s3backend.Archived, s3backend.NotExist, s3backend.Stale} {
		if isKind(err, k) {
			return false
		}
	}
	return true
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// CancelRemove takes back a removal that was not sent yet, and tells whether it
// could: then S3 still holds what was to be removed.
func (o *Outbox) CancelRemove(key string) bool {
	r := o.removals
	r.mu.Lock()
	_, waiting := r.waiting[key]
	delete(r.waiting, key)
	r.mu.Unlock()
	o.wake()
	return waiting
}

// awaitRemoval waits until no removal of key is on its way, so that a new object
// of that name is not taken for the old.
func (o *Outbox) awaitRemoval(ctx context.Context, key string) error {
	r := o.removals
	for {
		o.mu.Lock()
		changed := o.changed
		o.mu.Unlock()
		r.mu.Lock()
		_, waiting := r.waiting[key]
		_, sending := r.sending[key]
		r.mu.Unlock()
		if !waiting && !sending {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
