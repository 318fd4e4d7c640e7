package outbox

import (
	"errors"
	"io/fs"
	"path/filepath"
	"sync"
	"time"

	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/s3backend"
)

// removals are the objects to be deleted. They have one journal, which ends when there are none.
// The obsolete versions of an item are in the item's journal until it is delivered.
type removals struct {
	o           *Outbox
	journalPath string

	// logMu orders the lines of the journal, and guards unsynced. Take it before mu.
	logMu    sync.Mutex
	unsynced bool // the journal has changed since it was synced

	// mu guards the fields below.
	mu                 sync.Mutex
	pending            map[string]*removal // by key
	logged             int                 // those of them that are journaled
	paused             bool                // nothing is sent until all is recovered
	below              map[string]int      // how many are pending below a prefix
	batched            []*removal          // wait for a batch, if they are ready
	conditional        []*removal          // wait for a worker, if they are ready
	batching           bool
	batchesInFlight    int
	conditionalWorkers int // running sendAllConditional
}

func newRemovals(o *Outbox) *removals {
	return &removals{o: o, journalPath: filepath.Join(o.cfg.Dir, removalsLog),
		pending: map[string]*removal{},
		below:   map[string]int{}}
}

func (r *removals) at(key string) *removal {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pending[key]
}

// add journals a removal and queues it. If the journal cannot be written, the removal is queued all
// the same, and journaled later; it is lost if the process ends before.
func (r *removals) add(t *removal) {
	if err := r.tryAdd(t, true); err != nil {
		r.o.log.Error("a removal would not survive the end of this process",
			"key", t.obj.Key, "err", err)
		r.o.journals.wakeSyncer()
	}
}

// addVersion adds the removal of a version that has another name by now, or none.
func (r *removals) addVersion(old s3backend.Object) {
	r.add(&removal{obj: old, conditional: true})
}

// tryAdd journals a removal and queues it. If the journal cannot be written, it returns the error,
// and queues the removal only if queue is set.
func (r *removals) tryAdd(t *removal, queue bool) error {
	obj := t.obj
	r.logMu.Lock()
	err := journal.Append(r.journalPath, t.record())
	if t.unnoted = err != nil; t.unnoted && !queue {
		r.logMu.Unlock()
		return err
	}
	r.unsynced = true
	failpoint("removal noted")
	r.mu.Lock()
	superseded := r.insertLocked(t)
	r.queueLocked(r.pending[obj.Key])
	r.mu.Unlock()
	r.logMu.Unlock()
	superseded.forgetObsolete(obj.Key)
	return err
}

// noteAgain journals the removals whose lines the disk has refused. It reports whether it could.
func (r *removals) noteAgain() bool {
	r.logMu.Lock()
	defer r.logMu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range r.pending {
		if !t.unnoted || t.obsoleteOf != nil {
			continue
		}
		if journal.Append(r.journalPath, t.record()) != nil {
			return false
		}
		t.unnoted, r.unsynced = false, true
	}
	return true
}

// addObsolete adds the removal of an obsolete version of the item, which is queued once the item is
// delivered. The item's journal has it.
func (r *removals) addObsolete(it *Item, obj s3backend.Object) {
	r.mu.Lock()
	superseded := r.insertLocked(&removal{obj: obj, conditional: true, obsoleteOf: it})
	r.mu.Unlock()
	if superseded != it {
		superseded.forgetObsolete(obj.Key)
	}
}

// insertLocked makes t the only removal of its key: it merges an older one into t, or, if the same
// version is already being deleted, keeps the older and drops t. It returns the item whose obsolete
// version t supersedes, or nil.
func (r *removals) insertLocked(t *removal) (superseded *Item) {
	t.since = time.Now()
	key := t.obj.Key
	r.o.notRemoved.drop(key)
	old := r.pending[key]
	switch {
	case old == nil:
	case old.inFlight != nil && old.obj.ETag == t.obj.ETag && len(t.ambiguous) == 0:
		old.canceledBy = nil
		return nil
	case old.obsoleteOf == nil && t.obsoleteOf != nil && old.obj.ETag == t.obj.ETag:
		if old.inFlight == nil { // else the request in flight deletes it anyway
			r.countLocked(old, -1)
			old.obsoleteOf, old.neededBy = t.obsoleteOf, nil
			r.countLocked(old, 1)
		}
		return nil
	default:
		if t.olderInFlight = old.busyLocked(); old.obj.ETag != t.obj.ETag {
			superseded = old.obsoleteOf
		}
		t.join(old)
		r.countLocked(old, -1)
	}
	r.pending[key] = t
	r.countLocked(t, 1)
	return superseded
}

// countLocked counts a removal, also for each prefix of its key.
func (r *removals) countLocked(t *removal, n int) {
	if t.obsoleteOf == nil {
		r.logged += n
	}
	for prefix := range Prefixes(t.obj.Key) {
		if r.below[prefix] += n; r.below[prefix] == 0 {
			delete(r.below, prefix)
		}
	}
}

// maxUnconditional is how long after it was removed here a version may be deleted without a look
// whether S3 still holds it: no longer than what was shown here may be old.
const maxUnconditional = 5 * time.Second

// queueLocked queues a removal if it is ready. A removal older than maxUnconditional becomes
// conditional.
func (r *removals) queueLocked(t *removal) {
	if t == nil || r.paused || r.pending[t.obj.Key] != t || !t.readyLocked() {
		return
	}
	if t.conditional = t.conditional || time.Since(t.since) > maxUnconditional; t.conditional {
		r.conditional = append(r.conditional, t)
		r.startConditionalLocked()
		return
	}
	r.batched = append(r.batched, t)
	r.startBatchLocked()
}

// journalEnded queues the removals of these keys that waited for the journal of by.
func (r *removals) journalEnded(by any, keys []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, key := range keys {
		if t := r.pending[key]; t != nil && t.neededBy == by {
			t.neededBy = nil
			r.queueLocked(t)
		}
	}
}

// unhold queues a removal that RemoveLater has put off.
func (r *removals) unhold(t *removal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unholdLocked(t)
}

func (r *removals) unholdAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range r.pending {
		r.unholdLocked(t)
	}
}

func (r *removals) unholdLocked(t *removal) {
	if !t.held {
		return
	}
	t.held = false
	r.queueLocked(t)
}

// forgetLocked takes removals out of the table, and ends those of them in the journal that are in
// the table. The caller holds both locks, and calls notifyForgotten without them.
func (r *removals) forgetLocked(some ...*removal) {
	var recs []journal.Record
	for _, t := range some {
		if r.pending[t.obj.Key] != t {
			continue
		}
		delete(r.pending, t.obj.Key)
		r.countLocked(t, -1)
		if t.obsoleteOf == nil {
			recs = append(recs, journal.Record{Op: journal.OpRemoved, Key: t.obj.Key})
		}
	}
	if len(recs) == 0 {
		return
	}
	r.unsynced = true
	defer r.o.journals.endedOnDisk()
	if r.logged == 0 {
		journal.Remove(r.journalPath)
		return
	}
	if err := journal.Append(r.journalPath, recs...); err != nil {
		r.o.log.Warn("a later process will look at removals again", "of", len(recs),
			"first", recs[0].Key, "err", err)
	}
}

// forget ends removals that are not to be carried out any more.
func (r *removals) forget(some ...*removal) {
	r.logMu.Lock()
	r.mu.Lock()
	r.forgetLocked(some...)
	r.mu.Unlock()
	r.logMu.Unlock()
	r.notifyForgotten(some...)
}

// notifyForgotten reports that removals are not pending any more, whatever became of them.
func (r *removals) notifyForgotten(some ...*removal) {
	for _, t := range some {
		t.obsoleteOf.forgetObsolete(t.obj.Key)
		r.o.events.Forgotten(t.obj.Key)
	}
	if len(some) > 0 {
		r.o.waiters.wake()
	}
}

// sync returns when the journal of the removals is on the disk.
func (r *removals) sync() error {
	r.logMu.Lock()
	defer r.logMu.Unlock()
	if !r.unsynced {
		return nil
	}
	err := syncPath(r.journalPath)
	if err == nil || errors.Is(err, fs.ErrNotExist) { // it has ended
		err = syncDir(r.o.cfg.Dir)
	}
	r.unsynced = err != nil
	return err
}
