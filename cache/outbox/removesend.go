package outbox

import (
	"cmp"

	"github.com/s3share/s3share/s3backend"
)

// send makes one attempt to delete a batch.
func (r *removals) send(batch []*removal) {
	if len(batch) == 0 {
		return
	}
	var objs []s3backend.Object
	errs := make([]error, len(batch))
	for i, t := range batch {
		if errs[i] = r.o.journals.unended.endAt(t.obj.Key); errs[i] == nil {
			objs = append(objs, t.obj)
		}
	}
	var failed map[string]error
	var err error
	if len(objs) > 0 {
		failed, err = r.o.bucket.DeleteAll(r.o.ctx, objs)
	}
	failpoint("removal sent")
	for i, t := range batch {
		if errs[i] == nil {
			errs[i] = cmp.Or(err, failed[t.obj.Key])
		}
	}
	r.ended(batch, errs)
}

// sendConditional makes one attempt to delete one version, if S3 still holds it. The other
// party's new version is theirs to keep: then the error is Stale.
func (r *removals) sendConditional(t *removal) {
	err := r.deleteVersion(t)
	failpoint("removal sent")
	r.ended([]*removal{t}, []error{err})
}

// deleteVersion is one attempt of sendConditional. The bucket checks the condition, even if the
// server does not. For a directory marker no condition can tell versions apart.
func (r *removals) deleteVersion(t *removal) error {
	if err := r.o.journals.unended.endAt(t.obj.Key); err != nil {
		return err
	}
	etag := t.obj.ETag
	if t.isFolder() || len(t.ambiguous) > 0 {
		cur, err := t.findVersion(r.o.ctx, r.o)
		if err != nil || cur.ETag == "" {
			return err
		}
		etag = cur.ETag
	}
	return r.o.bucket.Delete(r.o.ctx, t.obj.Key, s3backend.Condition{IfMatch: etag})
}

// ended records the results of an attempt at each removal of a batch. Transient failures are tried
// again, unless something has taken the name since.
func (r *removals) ended(batch []*removal, errs []error) {
	for i, t := range batch {
		if errs[i] == nil || !isTransient(errs[i]) {
			r.noteRefused(t, errs[i])
			r.o.events.Removed(t.obj.Key, errs[i])
		}
		if errs[i] == nil {
			r.deleted(t)
		}
	}
	var over, again []*removal
	r.logMu.Lock()
	r.mu.Lock()
	for i, t := range batch {
		close(t.inFlight)
		t.inFlight = nil
		switch {
		case r.pending[t.obj.Key] != t:
			r.queueLocked(r.pending[t.obj.Key])
		case errs[i] == nil || !isTransient(errs[i]) || t.canceledBy != nil:
			over = append(over, t)
		default:
			t.tries++
			t.conditional = t.conditional || offline(errs[i]) // it may take long
			again = append(again, t)
		}
	}
	r.forgetLocked(over...)
	r.mu.Unlock()
	r.logMu.Unlock()
	if len(again) > 0 {
		r.o.work.Go(func() { r.retryAfterBackoff(again) })
	}
	r.notifyForgotten(over...)
}

// noteRefused records that S3 has refused a removal, unless something else has taken the name.
func (r *removals) noteRefused(t *removal, err error) {
	r.mu.Lock()
	over := t.canceledBy != nil || r.pending[t.obj.Key] != t
	r.mu.Unlock()
	if over {
		return
	}
	if st, refused := r.o.notRemoved.add(t.obj, err); refused {
		r.o.notify(st)
	}
}

// deleted records that S3 does not hold a version any more, for the item that has taken its name.
func (r *removals) deleted(t *removal) {
	r.mu.Lock()
	t.gone = true
	taker := t.canceledBy
	r.mu.Unlock()
	if taker != nil {
		taker.replacedIsGone(t.obj)
	}
}

// retryAfterBackoff waits for the backoff of the first of some removals, then queues them.
func (r *removals) retryAfterBackoff(some []*removal) {
	if r.o.Admission.pause(r.o.ctx, backoff(some[0].tries-1)) != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range some {
		r.queueLocked(t)
	}
}
