package outbox

import (
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/s3backend"
)

const (
	// removers is how many such requests run at once.
	removers = 4
	// strictDeletes is how many single versions are deleted at once. They go at once:
	// no request takes several of them, each with its condition.
	strictDeletes = 32

	removalsLog = "removals" + journal.Suffix
)

// toRemove is a version that was removed here and that is to be deleted at S3. At any
// time there is at most one of a key: whatever takes the name again gives it up.
type toRemove struct {
	obj    s3backend.Object
	since  time.Time
	strict bool                // only if S3 still holds this version: nobody has looked lately
	lost   []journal.Ambiguous // or what one of these left

	// The fields below are guarded by removals.mu.
	held   bool          // a program still has the file open
	leftBy *Item         // it is deleted once this item is delivered, whose journal names it
	claims int           // of moves that are about to take its name
	flight chan struct{} // closed when the request under way has ended; nil for none
	before chan struct{} // that of an older removal of the key, which comes first
	taker  *Item         // took its name while the request was under way: no other follows
	tries  int
	gone   bool // S3 has deleted it
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

// busyLocked returns the end of the request about the key that is under way, or nil.
func (t *toRemove) busyLocked() chan struct{} {
	if t.flight != nil {
		return t.flight
	}
	select {
	case <-t.before:
		t.before = nil
	default:
	}
	return t.before
}

// readyLocked reports whether it can be sent.
func (t *toRemove) readyLocked() bool {
	return !t.held && t.leftBy == nil && t.claims == 0 && t.taker == nil && t.busyLocked() == nil
}

// removals are the objects to be deleted, gathered into batches. They have one
// journal, which is emptied when none are left; those that an item leaves behind stand
// in that item's journal until it is delivered.
type removals struct {
	o   *Outbox
	log string

	// logMu orders the lines of the journal, and guards unsynced. Take it before mu.
	logMu    sync.Mutex
	unsynced bool // the journal has changed since it was synced

	// mu guards the fields below.
	mu        sync.Mutex
	owed      map[string]*toRemove // by key
	logged    int                  // those of them that the journal tells of
	paused    bool                 // nothing is sent until all is recovered
	below     map[string]int       // how many are owed below a prefix
	loose     []*toRemove          // wait to be gathered, if they are ready
	strict    []*toRemove          // wait for their turn, likewise
	gathering bool
	sending   int // batches
	deleting  int // workers for strict
}

func newRemovals(o *Outbox) *removals {
	return &removals{o: o, log: filepath.Join(o.cfg.Dir, removalsLog), owed: map[string]*toRemove{}, below: map[string]int{}}
}

// Remove deletes the version obj, soon and together with others; Events.Removed tells
// when it is done, or that another version has come, which stays (on a server that
// tells versions apart in such a request: see DeleteAll of s3backend). Whether the policy allows it is for the
// caller to know. When it returns, a later process would do it as well.
func (o *Outbox) Remove(obj s3backend.Object) {
	o.Resolved(obj.Key)
	o.removals.add(&toRemove{obj: obj})
}

// RemoveLater is Remove of a file that a program has open: this process deletes it when
// the returned function or RemoveHeld is called, a later one at once.
func (o *Outbox) RemoveLater(obj s3backend.Object) (closed func()) {
	o.Resolved(obj.Key)
	r, t := o.removals, &toRemove{obj: obj, held: true}
	r.add(t)
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.closedLocked(t)
	}
}

// RemoveHeld deletes what RemoveLater has put off. The caller knows that no program can read
// it any more.
func (o *Outbox) RemoveHeld() {
	r := o.removals
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range r.owed {
		r.closedLocked(t)
	}
}

// closedLocked queues a removal that RemoveLater has put off.
func (r *removals) closedLocked(t *toRemove) {
	if !t.held {
		return
	}
	t.held = false
	r.queueLocked(t)
}

// removeVersion deletes a version that has another name by now, or none.
func (o *Outbox) removeVersion(old s3backend.Object) {
	o.removals.add(&toRemove{obj: old, strict: true})
}

// Removing returns the version at key that is being removed; false for none.
func (o *Outbox) Removing(key string) (s3backend.Object, bool) {
	t := o.removals.at(key)
	if t == nil {
		return s3backend.Object{}, false
	}
	return t.obj, true
}

// Hides reports whether obj, which S3 lists, is being removed, or will be. What an attempt
// whose answer was lost may have left under a name that its file has no more counts by
// its size, until S3 was asked what it is.
func (o *Outbox) Hides(obj s3backend.Object) bool {
	left := func(l journal.Ambiguous) bool { return l.Key == obj.Key && l.Size == obj.Size }
	if t := o.removals.at(obj.Key); t != nil && (t.obj.ETag == obj.ETag || slices.ContainsFunc(t.lost, left)) {
		return true
	}
	o.mu.Lock()
	items := slices.Clone(o.astray[obj.Key])
	o.mu.Unlock()
	for _, it := range items {
		it.mu.Lock()
		hides := it.key != obj.Key && slices.ContainsFunc(it.lost, left)
		it.mu.Unlock()
		if hides {
			return true
		}
	}
	return false
}

// Removals returns the versions that are being removed below prefix, by key.
func (o *Outbox) Removals(prefix string) map[string]s3backend.Object {
	r := o.removals
	r.mu.Lock()
	defer r.mu.Unlock()
	all := map[string]s3backend.Object{}
	if r.below[prefix] == 0 && prefix != "" {
		return all
	}
	for key, t := range r.owed {
		if strings.HasPrefix(key, prefix) {
			all[key] = t.obj
		}
	}
	return all
}

// RemovingBelow is how many versions are being removed below prefix, an object of this
// key among them.
func (o *Outbox) RemovingBelow(prefix string) int {
	r := o.removals
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.below[prefix]
}

func (r *removals) at(key string) *toRemove {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.owed[key]
}

// add owes a removal.
func (r *removals) add(t *toRemove) {
	obj := t.obj
	rec := journal.Record{Op: journal.OpRemove, Key: obj.Key, Over: &journal.Version{Key: obj.Key, ETag: obj.ETag, Size: obj.Size}, Ambiguous: t.lost}
	r.logMu.Lock()
	if err := journal.Append(r.log, rec); err != nil {
		r.o.log.Error("a removal would not survive the end of this process", "key", obj.Key, "err", err)
	}
	r.unsynced = true
	failpoint("removal noted")
	r.mu.Lock()
	left := r.insertLocked(t)
	r.queueLocked(r.owed[obj.Key])
	r.mu.Unlock()
	r.logMu.Unlock()
	left.forgetLeave(obj.Key)
}

// leave owes the removal of a version that it leaves under an earlier name, once it is
// delivered. The item's journal tells of it.
func (r *removals) leave(it *Item, obj s3backend.Object) {
	r.mu.Lock()
	left := r.insertLocked(&toRemove{obj: obj, strict: true, leftBy: it})
	r.mu.Unlock()
	if left != it {
		left.forgetLeave(obj.Key)
	}
}

// insertLocked makes t the removal of its key, or has the one go on that is about the
// same version. It returns the item that has left another version, which is overtaken.
func (r *removals) insertLocked(t *toRemove) (leftBy *Item) {
	t.since = time.Now()
	key := t.obj.Key
	old := r.owed[key]
	switch {
	case old == nil:
	case old.flight != nil && old.obj.ETag == t.obj.ETag && len(t.lost) == 0:
		old.taker = nil
		return nil
	case old.leftBy == nil && t.leftBy != nil && old.obj.ETag == t.obj.ETag:
		return nil // it is removed in any case
	default:
		if t.before = old.busyLocked(); old.obj.ETag != t.obj.ETag {
			leftBy = old.leftBy
		}
		t.join(old)
		r.countLocked(old, -1)
	}
	r.owed[key] = t
	r.countLocked(t, 1)
	return leftBy
}

// countLocked counts a removal, for each prefix that it is below too.
func (r *removals) countLocked(t *toRemove, n int) {
	if t.leftBy == nil {
		r.logged += n
	}
	for prefix := range Prefixes(t.obj.Key) {
		if r.below[prefix] += n; r.below[prefix] == 0 {
			delete(r.below, prefix)
		}
	}
}

// queueLocked has a removal sent, if it is ready.
func (r *removals) queueLocked(t *toRemove) {
	if t == nil || r.paused || r.owed[t.obj.Key] != t || !t.readyLocked() {
		return
	}
	if t.strict {
		r.strict = append(r.strict, t)
		r.deleteLocked()
		return
	}
	r.loose = append(r.loose, t)
	r.startLocked()
}

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

// forgetLocked takes removals out of the table and, as far as they stand in it, out of
// the journal. The caller holds both locks, and calls told without them.
func (r *removals) forgetLocked(some ...*toRemove) {
	var recs []journal.Record
	for _, t := range some {
		if r.owed[t.obj.Key] != t {
			continue
		}
		delete(r.owed, t.obj.Key)
		r.countLocked(t, -1)
		if t.leftBy == nil {
			recs = append(recs, journal.Record{Op: journal.OpRemoved, Key: t.obj.Key})
		}
	}
	if len(recs) == 0 {
		return
	}
	r.unsynced = true
	defer r.o.endedOnDisk()
	if r.logged == 0 {
		journal.Remove(r.log)
		return
	}
	if err := journal.Append(r.log, recs...); err != nil {
		r.o.log.Warn("a later process will look at removals again", "of", len(recs), "first", recs[0].Key, "err", err)
	}
}

// told tells that removals are owed no more, however they ended.
func (r *removals) told(some ...*toRemove) {
	for _, t := range some {
		t.leftBy.forgetLeave(t.obj.Key)
		r.o.events.Forgotten(t.obj.Key)
	}
	if len(some) > 0 {
		r.o.wake()
	}
}

func (r *removals) status() []Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []Status
	for key, t := range r.owed {
		if t.leftBy != nil {
			continue // listed with its item
		}
		st := Status{Key: key, State: Removing, Since: t.since}
		if t.held {
			st.State, st.Reason = Open, "removed, and a program still has it open"
		}
		all = append(all, st)
	}
	return all
}

// recover reads what an earlier process did not come to remove, for resume. Since
// then the other party may have put something else there: only the version that was
// meant is removed.
func (r *removals) recover() error {
	recs, err := journal.Read(r.log)
	left := map[string]*toRemove{}
	for _, rec := range recs {
		switch {
		case rec.Op == journal.OpRemove && rec.Over != nil:
			t := &toRemove{obj: rec.Over.Object(), strict: true, lost: rec.Ambiguous}
			if old := left[rec.Key]; old != nil {
				t.join(old)
			}
			left[rec.Key] = t
		case rec.Op == journal.OpRemoved:
			delete(left, rec.Key)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range left {
		r.insertLocked(t)
	}
	if len(left) == 0 && err == nil {
		journal.Remove(r.log)
	}
	return err
}

// pause has nothing sent for now.
func (r *removals) pause(paused bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.paused = paused
}

// resume goes on with what was recovered.
func (r *removals) resume() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range r.owed {
		r.queueLocked(t)
	}
}
