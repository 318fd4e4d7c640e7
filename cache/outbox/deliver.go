package outbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/s3backend"
)

// errContradiction is S3's refusal of a condition that holds.
var errContradiction = errors.New("S3 contradicts itself about the version it holds")

func contradiction(because error) error { return fmt.Errorf("%w: %w", errContradiction, because) }

// errBaseGone blocks an edit of a version that S3 no longer has.
var errBaseGone = errors.New("the version that was edited is gone from S3, and parts of it are not here")

// errOvertaken is returned where the other party has replaced a version of which only the
// time or the mode was changed here: its version stays, and there is nothing of ours to keep.
var errOvertaken = errors.New("the other party replaced the version whose time was set")

// deliver makes one attempt to commit a settled item. A worker calls it.
func (it *Item) deliver() {
	if it.judge() {
		return
	}
	it.mu.Lock()
	if a := it.attempt; a != nil && a.early {
		a.due = true
	}
	if it.writers > 0 || it.attempt != nil || it.goneLocked() || it.state != Sealed && it.state != Blocked {
		it.mu.Unlock()
		return
	}
	if it.o.isHalted(it.key) {
		it.scheduleLocked(it.o.cfg.Settle) // look again
		it.mu.Unlock()
		return
	}
	ctx, cancel := context.WithCancelCause(it.o.ctx)
	a := &attempt{cancel: cancel, done: make(chan struct{})}
	it.attempt, it.state = a, Uploading
	it.mu.Unlock()

	var obj s3backend.Object
	err := it.o.gate.pass(ctx)
	if err == nil {
		obj, err = it.commit(ctx)
		it.o.met(err)
	}
	if errors.Is(err, errOvertaken) {
		it.unlike.Store(true)
		err = nil
	}
	if err == nil {
		it.finish(obj)
	}

	it.mu.Lock()
	it.attempt = nil
	if err != nil {
		it.failedLocked(err, context.Cause(ctx) != nil)
	}
	it.mu.Unlock()
	it.tell()
	close(a.done)
	cancel(nil)
	it.o.wake()
}

// failedLocked notes why an attempt failed and arranges for the next.
func (it *Item) failedLocked(err error, cut bool) {
	it.state = Sealed
	if cut {
		return // whoever cut it off releases the item, or the outbox closes
	}
	it.reason = err
	wait := backoff(it.tries)
	it.tries++
	switch {
	case stays(err, it.tries):
		it.state, wait = Blocked, blockedBackoff
	case isKind(err, s3backend.BadLogin):
		wait = loginBackoff // the gate's time, so that it goes on at once
	}
	level := slog.LevelWarn
	if isKind(err, s3backend.BadLogin) || isKind(err, s3backend.Busy) {
		level = slog.LevelDebug // it waits with all the others, which was told
	}
	it.o.log.Log(context.Background(), level, "not delivered", "key", it.key, "state", it.state, "again in", wait.Round(time.Second), "err", err)
	it.scheduleLocked(wait)
}

// tell tells once of a file that stays here until a person does something.
func (it *Item) tell() {
	st := it.Status()
	it.mu.Lock()
	told := it.told
	it.told = st.State
	it.mu.Unlock()
	if st.State != told && (st.State == Blocked || st.State == Interrupted) {
		it.o.tell(st)
	}
}

// finish tells that S3 has the item, and forgets it.
func (it *Item) finish(obj s3backend.Object) {
	it.o.committedOver(obj.Key)
	it.dropLost(obj.Key)
	it.removeLeft()
	it.mu.Lock()
	it.up = nil
	it.mu.Unlock()
	whole := it.stage != nil && it.stage.Complete() && !it.unlike.Load()
	failpoint("delivered")
	if st := it.Status(); st.Theirs != "" {
		st.State = Conflict
		it.o.keepConflict(st)
	}
	// First: once it is told, another item may stand for this file, and a later
	// process must not take this one for news.
	done := it.eraseLog()
	if !whole {
		done = ""
	}
	it.o.events.Delivered(it, obj, done)
	it.erase()
	it.mu.Lock()
	if !it.goneLocked() {
		close(it.gone)
	}
	it.mu.Unlock()
	it.o.forget(it)
}

// Commit delivers the item while the caller still holds it, and returns when S3
// has confirmed: for programs that want close to mean delivered. Nobody else may
// write meanwhile.
func (it *Item) Commit(ctx context.Context) error {
	for try := 0; ; try++ {
		it.mu.Lock()
		seq := it.seq()
		if it.goneLocked() || it.inS3Locked() || it.privateLocked() {
			it.mu.Unlock()
			return nil
		}
		it.mu.Unlock()
		it.askWriters(true)
		if err := it.interruptedBy(); err != nil {
			return err // it is not delivered
		}
		obj, err := it.commit(ctx)
		if errors.Is(err, errOvertaken) {
			return nil // deliver ends it, after the last close
		}
		if err == nil {
			it.committedAs(obj, seq)
			return nil
		}
		if stays(err, try+1) || !passing(err) && !isKind(err, s3backend.Stale) || ctx.Err() != nil {
			return err
		}
		if err := sleep(ctx, backoff(try)); err != nil {
			return err
		}
	}
}

// committedAs notes that S3 holds the item as obj while it is still written: that
// is what the next commit replaces, and where the bytes of the base are now.
func (it *Item) committedAs(obj s3backend.Object, seq uint64) {
	if err := it.note(journal.Record{Op: journal.OpCommit, Over: journal.VersionOf(obj)}); err != nil {
		it.o.log.Warn("after the end of this process the file would be taken for a conflict", "key", obj.Key, "err", err)
	}
	it.o.mu.Lock()
	open := it.o.open
	it.o.mu.Unlock()
	it.mu.Lock()
	it.over, it.committed, it.up = obj, commitment{seq, obj}, nil
	over := it.base.ETag != ""
	if over {
		it.base = obj
	}
	it.mu.Unlock()
	if over && open != nil && it.stage != nil {
		it.stage.Rebase(it.opened(open(obj)))
	}
	it.o.events.Committed(it, obj)
}

// commitment is a version that S3 confirmed while the item was still written, and the
// stage's seq that it is of; 0 for none.
type commitment struct {
	seq uint64
	obj s3backend.Object
}

// inS3Locked reports whether S3 holds the item as it is now, under the name that it has
// now. The caller holds mu.
func (it *Item) inS3Locked() bool {
	at := it.committed
	return at.seq > 0 && at.seq == it.seq() && at.obj.Key == it.key && at.obj.ETag == it.over.ETag
}

// elsewhere returns the version of an earlier name as which S3 holds the item as it is
// now; false for none.
func (it *Item) elsewhere() (s3backend.Object, bool) {
	it.mu.Lock()
	defer it.mu.Unlock()
	at := it.committed
	return at.obj, at.seq > 0 && at.seq == it.seq() && at.obj.Key != it.key
}

func (it *Item) forgetCommitted() {
	it.mu.Lock()
	defer it.mu.Unlock()
	it.committed = commitment{}
}

func (it *Item) seq() uint64 {
	if it.stage == nil {
		return 0
	}
	return it.stage.Changes()
}

// commit makes the item's content the object at its key, on the condition that
// S3 holds what it replaces, or beside it where S3 does not.
func (it *Item) commit(ctx context.Context) (s3backend.Object, error) {
	if err := it.o.removals.awaitFree(ctx, it, it.Key()); err != nil {
		return s3backend.Object{}, err
	}
	if err := it.keepOthers(ctx); err != nil {
		return s3backend.Object{}, err
	}
	if it.folder {
		return it.commitFolder(ctx)
	}
	if err := it.syncOverSeal(); err != nil {
		it.o.log.Warn("after a power loss an older content might be taken for what is to be delivered", "key", it.Key(), "err", err)
	}
	if err := it.stage.Open(); err != nil {
		return s3backend.Object{}, err
	}
	defer it.stage.Close()
	var because error
	for range 4 { // each turn that does not return has learnt what S3 holds
		it.mu.Lock()
		key, over, seq := it.key, it.over, it.seq()
		delivered := it.inS3Locked()
		it.mu.Unlock()
		if delivered {
			return over, nil // by Commit, and nothing has changed since
		}
		id, err := it.commitID(seq)
		if err != nil {
			return s3backend.Object{}, err
		}
		h, err := it.makeHeader(ctx, id)
		if err != nil {
			return s3backend.Object{}, err
		}
		obj, err := it.send(ctx, key, h, seq, condition(over))
		if err == nil {
			obj.Key, obj.Header, obj.Class = key, h, cmp.Or(h.Class, s3backend.ClassStandard)
			return obj, nil
		}
		if errors.Is(err, errBaseGone) {
			// It is gone for that we have replaced it, where the answer was lost.
			if cur, cerr := it.o.current(ctx, key); cerr == nil {
				switch landed, earlier := it.recall(cur, h, seq); {
				case landed:
					return cur, nil
				case earlier:
					it.replaceEarlier(cur)
					continue
				case it.overtakenBy(cur, key):
					return cur, errOvertaken
				}
			}
		}
		if it.keepsHere(key, over, err) {
			return it.base, nil
		}
		if !isKind(err, s3backend.Stale) && !isKind(err, s3backend.NotExist) {
			return s3backend.Object{}, err
		}
		because = err
		obj, done, err := it.reconcile(ctx, key, over, h, seq, err)
		if done || err != nil {
			return obj, err
		}
	}
	return s3backend.Object{}, contradiction(because)
}

// keepsHere reports whether nothing but the time or the mode of what S3 holds was changed,
// which S3 does not let us write: whoever may not read an object cannot copy it. Then they
// are kept on this machine.
func (it *Item) keepsHere(key string, over s3backend.Object, err error) bool {
	if !blocks(err) || !it.onlyHeader() || it.base.Key != key || over.ETag != it.base.ETag {
		return false
	}
	it.mu.Lock()
	defer it.mu.Unlock()
	it.keptHere = err
	return true
}

// condition is what must hold for a commit over this version.
func condition(over s3backend.Object) s3backend.Condition {
	return s3backend.Condition{IfNoneMatch: over.ETag == "", IfMatch: over.ETag}
}

// commitFolder makes the folder's own object. That it exists already is as good.
func (it *Item) commitFolder(ctx context.Context) (s3backend.Object, error) {
	key := it.Key()
	obj, err := it.o.bucket.Put(ctx, key, strings.NewReader(""), 0, nil, s3backend.Condition{IfNoneMatch: true})
	if isKind(err, s3backend.Stale) {
		obj, err = s3backend.Object{}, nil
	}
	if s3backend.Ambiguous(err) {
		it.mu.Lock()
		it.unsure = true
		it.mu.Unlock()
	}
	obj.Key = key
	return obj, err
}
