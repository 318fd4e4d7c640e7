package outbox

import "github.com/s3share/s3share/s3backend"

// send makes one attempt to delete a batch.
func (r *removals) send(batch []*toRemove) {
	if len(batch) == 0 {
		return
	}
	objs := make([]s3backend.Object, len(batch))
	for i, t := range batch {
		objs[i] = t.obj
	}
	failed, err := r.o.bucket.DeleteAll(r.o.ctx, objs)
	failpoint("removal sent")
	errs := make([]error, len(batch))
	for i, t := range batch {
		if errs[i] = err; err == nil {
			errs[i] = failed[t.obj.Key]
		}
	}
	r.ended(batch, errs)
}

// sendStrict makes one attempt to delete one version, if S3 still holds it. The other
// party's new version is theirs to keep: then the error is Stale.
func (r *removals) sendStrict(t *toRemove) {
	err := r.deleteVersion(t)
	failpoint("removal sent")
	r.ended([]*toRemove{t}, []error{err})
}

// deleteVersion is one attempt of sendStrict. The bucket checks the condition, also
// where the server does not; of a folder's object there is none that could tell.
func (r *removals) deleteVersion(t *toRemove) error {
	etag := t.obj.ETag
	if t.isFolder() || len(t.lost) > 0 {
		cur, err := t.found(r.o.ctx, r.o)
		if err != nil || cur.ETag == "" {
			return err
		}
		etag = cur.ETag
	}
	return r.o.bucket.Delete(r.o.ctx, t.obj.Key, s3backend.Condition{IfMatch: etag})
}

// ended notes how an attempt at each of a batch ended. What may pass is tried again,
// unless something has taken the name since.
func (r *removals) ended(batch []*toRemove, errs []error) {
	for i, t := range batch {
		if errs[i] == nil || !passing(errs[i]) {
			r.o.events.Removed(t.obj.Key, errs[i])
		}
		if errs[i] == nil {
			r.deleted(t)
		}
	}
	var over, again []*toRemove
	r.logMu.Lock()
	r.mu.Lock()
	for i, t := range batch {
		close(t.flight)
		t.flight = nil
		switch {
		case r.owed[t.obj.Key] != t:
			r.queueLocked(r.owed[t.obj.Key])
		case errs[i] == nil || !passing(errs[i]) || t.taker != nil:
			over = append(over, t)
		default:
			t.tries++
			again = append(again, t)
		}
	}
	r.forgetLocked(over...)
	r.mu.Unlock()
	r.logMu.Unlock()
	if len(again) > 0 {
		r.o.work.Go(func() { r.tryAgain(again) })
	}
	r.told(over...)
}

// deleted notes that S3 holds a version no more, for the item that has taken its name.
func (r *removals) deleted(t *toRemove) {
	r.mu.Lock()
	t.gone = true
	taker := t.taker
	r.mu.Unlock()
	taker.overGone(t.obj)
}

// tryAgain queues removals after a while.
func (r *removals) tryAgain(some []*toRemove) {
	if sleep(r.o.ctx, backoff(some[0].tries-1)) != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range some {
		r.queueLocked(t)
	}
}
