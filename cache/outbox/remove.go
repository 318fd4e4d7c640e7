package outbox

import (
	"context"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/s3share/s3share/s3backend"
)

const (
	// removers is how many such requests run at once.
	removers = 4
	// strictDeletes is how many single versions are deleted at once. They go at once:
	// no request takes several of them, each with its condition.
	strictDeletes = 32

	removalsLog = "removals" + logSuffix

	opRemove  = "remove"
	opRemoved = "removed"
)

// toRemove is a version that is to be deleted at S3.
type toRemove struct {
	obj    s3backend.Object
	since  time.Time
	strict bool   // only if S3 still holds this version: nobody has looked lately
	lost   []lost // or what one of these left
	sent   bool
}

// isFolder tells a folder's own object: its versions are all alike, and not told apart.
func (t *toRemove) isFolder() bool {
	return t.obj.ETag == "" && strings.HasSuffix(t.obj.Key, "/")
}

// join adds what an older removal of the same key is about, as far as it has not
// been overtaken: of two versions the later is meant.
func (t *toRemove) join(old *toRemove) {
	t.lost = append(t.lost, old.lost...)
	if t.obj.ETag == "" && len(t.lost) > 0 && !t.isFolder() {
		t.obj, t.strict = old.obj, true
	}
	t.strict = t.strict || len(t.lost) > 0
}

// removals are the objects to be deleted, gathered into batches. They have one
// journal, which is emptied when none are left.
type removals struct {
	o   *Outbox
	log string

	mu        sync.Mutex
	unsynced  bool                 // the journal has changed since it was synced
	owed      map[string]*toRemove // by key
	loose     []*toRemove          // wait to be gathered; overtaken or cancelled if owed holds another
	strict    []*toRemove          // wait for their turn, likewise
	gathering bool
	sending   int // batches
	deleting  int // workers for strict
}

func newRemovals(o *Outbox) *removals {
	return &removals{o: o, log: filepath.Join(o.cfg.Dir, removalsLog), owed: map[string]*toRemove{}}
}

// Remove deletes the version obj, soon and together with others; Events.Removed tells
// when it is done, or that another version has come, which stays (on a server that
// tells versions apart in such a request: see DeleteAll of s3backend). Whether the policy allows it is for the
// caller to know. When it returns, a later process would do it as well.
func (o *Outbox) Remove(obj s3backend.Object) {
	o.Resolved(obj.Key)
	o.removals.add(&toRemove{obj: obj})
}

func (r *removals) add(t *toRemove) {
	obj := t.obj
	rec := record{Op: opRemove, Key: obj.Key, Over: &version{Key: obj.Key, ETag: obj.ETag, Size: obj.Size}, Lost: t.lost}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := appendLog(r.log, rec); err != nil {
		r.o.log.Error("a removal would not survive the end of this process", "key", obj.Key, "err", err)
	}
	r.unsynced = true
	failpoint("removal noted")
	r.addLocked(t)
}

func (r *removals) addLocked(t *toRemove) {
	t.since = time.Now()
	if old := r.owed[t.obj.Key]; old != nil {
		t.join(old)
	}
	r.owed[t.obj.Key] = t
	if !t.strict {
		r.loose = append(r.loose, t)
		r.startLocked()
		return
	}
	r.strict = append(r.strict, t)
	r.deleteLocked()
}

// send deletes a batch, again after what may pass.
func (r *removals) send(batch []*toRemove) {
	for try := 0; len(batch) > 0; try++ {
		objs := make([]s3backend.Object, len(batch))
		for i, t := range batch {
			objs[i] = t.obj
		}
		failed, err := r.o.bucket.DeleteAll(r.o.ctx, objs)
		failpoint("removal sent")
		var again, ended []*toRemove
		for _, t := range batch {
			kerr := err
			if kerr == nil {
				kerr = failed[t.obj.Key]
			}
			if kerr != nil && passing(kerr) {
				again = append(again, t)
				continue
			}
			r.o.events.Removed(t.obj.Key, kerr)
			ended = append(ended, t)
		}
		r.forget(ended...)
		if batch = again; len(batch) > 0 && sleep(r.o.ctx, backoff(try)) != nil {
			return
		}
	}
}

// sendStrict deletes one version, if S3 still holds it. The other party's new
// version is theirs to keep: then the error is Stale.
func (r *removals) sendStrict(t *toRemove) {
	for try := 0; ; try++ {
		err := r.deleteVersion(t)
		failpoint("removal sent")
		if err == nil || !passing(err) {
			r.o.events.Removed(t.obj.Key, err)
			r.forget(t)
			return
		}
		if sleep(r.o.ctx, backoff(try)) != nil {
			return
		}
	}
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

// forget ends removals of which has been told what became of them.
func (r *removals) forget(ended ...*toRemove) {
	r.mu.Lock()
	r.forgetLocked(ended...)
	r.mu.Unlock()
	r.o.wake()
}

// forgetLocked takes removals out of the journal.
func (r *removals) forgetLocked(ended ...*toRemove) {
	var recs []record
	for _, t := range ended {
		if r.owed[t.obj.Key] == t {
			delete(r.owed, t.obj.Key)
			recs = append(recs, record{Op: opRemoved, Key: t.obj.Key})
		}
	}
	if len(recs) == 0 {
		return
	}
	r.unsynced = true
	defer r.o.endedOnDisk()
	if len(r.owed) == 0 {
		removeLog(r.log)
		return
	}
	if err := appendLog(r.log, recs...); err != nil {
		r.o.log.Warn("a later process will look at removals again", "of", len(recs), "first", recs[0].Key, "err", err)
	}
}

// CancelRemove takes back a removal that was not sent yet, and tells whether it
// could: then S3 still holds what was to be removed.
func (o *Outbox) CancelRemove(key string) bool {
	r := o.removals
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.owed[key]
	if t == nil || t.sent {
		return false
	}
	r.forgetLocked(t)
	o.wake()
	return true
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
		_, owed := r.owed[key]
		r.mu.Unlock()
		if !owed {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (r *removals) status() []Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []Status
	for key, t := range r.owed {
		all = append(all, Status{Key: key, State: Removing, Since: t.since})
	}
	return all
}

// recover reads what an earlier process did not come to remove, for resume. Since
// then the other party may have put something else there: only the version that was
// meant is removed.
func (r *removals) recover() error {
	recs, err := readLog(r.log)
	left := map[string]*toRemove{}
	for _, rec := range recs {
		switch {
		case rec.Op == opRemove && rec.Over != nil:
			t := &toRemove{obj: rec.Over.object(), strict: true, lost: rec.Lost}
			if old := left[rec.Key]; old != nil {
				t.join(old)
			}
			left[rec.Key] = t
		case rec.Op == opRemoved:
			delete(left, rec.Key)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range left {
		t.since = time.Now()
		r.owed[t.obj.Key] = t
		r.strict = append(r.strict, t)
	}
	if len(left) == 0 && err == nil {
		removeLog(r.log)
	}
	return err
}
