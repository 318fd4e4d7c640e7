package outbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/s3backend"
)

// Commit delivers the item while the caller still holds it, and returns when S3 has confirmed: for
// programs that need the file to be delivered when close returns. Nobody else may write meanwhile.
func (it *Item) Commit(ctx context.Context) error {
	var away time.Time // since when S3 is out of reach
	for try := 0; ; try++ {
		seq := it.seq()
		if it.schedule.isGone() || it.WasCommitted() || it.isPrivate() {
			return nil
		}
		if err := it.o.Admission.Suspension(); err != nil {
			return err
		}
		it.checkWriters(true)
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
		wait := backoff(try)
		switch unsent := (*s3backend.Error)(nil); {
		case !offline(err):
			away = time.Time{}
		case try == 0 && errors.As(err, &unsent) && unsent.Unsent:
			return err // S3 was known to be out of reach
		case away.IsZero():
			away = time.Now()
			wait = min(wait, maxCommitOffline)
		default:
			if wait = min(wait, maxCommitOffline-time.Since(away)); wait <= 0 {
				return err
			}
		}
		if isPermanentAfter(err, try+1) || !isTransient(err) && !isKind(err, s3backend.Stale) ||
			ctx.Err() != nil {
			return err
		}
		if err := it.o.Admission.pause(ctx, wait); err != nil {
			return err
		}
	}
}

// maxCommitOffline is how long Commit goes on trying when S3 comes out of reach meanwhile: the
// line may be back in a moment.
const maxCommitOffline = 10 * time.Second

// committedAs records that S3 holds the item as obj while it is still written. The next commit
// replaces obj, and the bytes of the base are read from it.
func (it *Item) committedAs(obj s3backend.Object, seq uint64) {
	err := it.log.noteOrLater(journal.Record{Op: journal.OpCommit, Over: journal.VersionOf(obj)})
	if err != nil {
		it.o.log.Warn("after the end of this process the file would be taken for a conflict",
			"key", obj.Key, "err", err)
	}
	open := it.o.baseOpener()
	var rebased bool
	it.changeTarget(func(t *target) {
		rebased = t.setCommitted(obj)
		t.committed = confirmed{seq, obj}
	})
	it.uploading.set(nil)
	if rebased && open != nil && it.stage != nil {
		it.stage.Rebase(it.materializing.track(open(obj)))
	}
	it.o.events.Committed(it, obj)
}

// confirmed is a version that S3 confirmed while the item was still written, and the stage's count
// of changes at its content; 0 for none.
type confirmed struct {
	seq uint64
	obj s3backend.Object
}

// has reports whether it has the content as it is after so many changes.
func (c confirmed) has(seq uint64) bool { return c.seq > 0 && c.seq == seq }

// commit makes the item's content the object at its key, on the condition that S3 holds what it
// replaces. Otherwise it becomes a conflict copy. If it is refused while what does not let some
// servers have the key is being removed, it waits for that.
func (it *Item) commit(ctx context.Context) (s3backend.Object, error) {
	obj, err := it.commitNow(ctx)
	if mayBeBlocked(err) && it.o.removals.awaitUnblocked(ctx, it.Key()) {
		obj, err = it.commitNow(ctx)
	}
	return obj, err
}

// commitNow is commit without waiting.
func (it *Item) commitNow(ctx context.Context) (s3backend.Object, error) {
	if err := it.o.removals.awaitKey(ctx, it, it.Key()); err != nil {
		return s3backend.Object{}, err
	}
	if err := it.o.journals.unended.endAt(it.Key()); err != nil {
		return s3backend.Object{}, err
	}
	if err := it.materializeDependents(ctx); err != nil {
		return s3backend.Object{}, err
	}
	if it.folder {
		return it.commitFolder(ctx)
	}
	if err := it.log.syncOverSeal(it.seq()); err != nil {
		it.o.log.Warn(
			"after a power loss an older content might be taken for what is to be delivered",
			"key", it.Key(), "err", err)
	}
	if err := it.stage.Open(); err != nil {
		return s3backend.Object{}, err
	}
	defer it.stage.Close()
	var refused error
	for range maxCommitAttempts {
		a, committed := newCommitAttempt(it)
		if committed { // by Commit, and nothing has changed since
			return a.over, it.annotations.put(ctx, a.over)
		}
		if err := a.prepare(ctx); err != nil {
			return s3backend.Object{}, err
		}
		obj, err := a.send(ctx)
		if err == nil {
			it.found.Store(false) // an earlier content may have been
			return a.annotate(ctx, a.finish(obj))
		}
		refused = err
		switch obj, done, err := (&reconciliation{a, err}).run(ctx); {
		case err != nil:
			return obj, err
		case done:
			it.found.Store(true)
			return a.annotate(ctx, obj)
		}
	}
	return s3backend.Object{}, contradiction(refused)
}

// maxCommitAttempts limits the attempts of one commit. Each that fails has found out what S3
// holds, so that more than two are rare.
const maxCommitAttempts = 4

// commitAttempt is one attempt to make the content of an item the object at its key, on the
// condition that S3 holds what it replaces. It is prepared and sent. Then it is finished, or
// reconciled with what S3 holds, and the next attempt replaces that.
type commitAttempt struct {
	it     *Item
	key    string
	over   s3backend.Object  // the version that it replaces; no ETag for a new name
	seq    uint64            // the stage's count of changes at the content that is sent
	header *s3backend.Header // with the commit ID of the content; set by prepare
}

// newCommitAttempt returns an attempt to commit the content as it is now, and reports whether
// S3 has that already.
func newCommitAttempt(it *Item) (a *commitAttempt, committed bool) {
	t, seq := it.target(), it.seq()
	return &commitAttempt{it: it, key: t.key, over: t.over, seq: seq}, t.inS3(seq)
}

// prepare makes the header. The journal has the commit ID before a request is sent.
func (a *commitAttempt) prepare(ctx context.Context) error {
	id, err := a.it.commitID(a.seq)
	if err != nil {
		return err
	}
	a.header, err = a.it.makeHeader(ctx, id)
	return err
}

// finish completes what is known of the object that S3 has made.
func (a *commitAttempt) finish(obj s3backend.Object) s3backend.Object {
	obj.Key, obj.Header, obj.Class = a.key, a.header, cmp.Or(a.header.Class,
		s3backend.ClassStandard)
	return obj
}

// annotate gives what S3 holds of the item the annotations that were saved. If S3 cannot be reached
// for that, the next attempt goes on there.
func (a *commitAttempt) annotate(ctx context.Context,
	obj s3backend.Object) (s3backend.Object, error) {
	err := a.it.annotations.put(ctx, obj)
	if err != nil {
		a.it.committedAs(obj, a.seq)
	}
	return obj, err
}

// commitFolder creates a directory marker. If it exists already, that is as good. It is looked for
// then: a server that keeps objects as files refuses it for a file of the name, which may be about
// to be removed.
func (it *Item) commitFolder(ctx context.Context) (s3backend.Object, error) {
	key := it.Key()
	obj, err := it.o.bucket.Put(ctx, key, strings.NewReader(""), 0, nil,
		s3backend.Condition{IfNoneMatch: true})
	if refused := err; isKind(refused, s3backend.Stale) {
		obj, err = it.o.current(ctx, key)
		if err == nil && obj.ETag == "" {
			err = it.whyNoMarker(ctx, refused)
		}
		obj = s3backend.Object{} // whose it is does not matter
	}
	if s3backend.Ambiguous(err) {
		it.changeTarget(func(t *target) { t.unsure = true })
	}
	obj.Key = key
	return obj, err
}

// whyNoMarker returns why S3 refuses to make a marker as if there were one.
func (it *Item) whyNoMarker(ctx context.Context, refused error) error {
	file, err := it.o.current(ctx, strings.TrimSuffix(it.Key(), "/"))
	if err != nil || file.ETag == "" {
		return contradiction(refused)
	}
	return errNameTaken
}

// errNameTaken is returned for a directory whose name an object has, on a server that stores
// objects as files.
var errNameTaken = errors.New("an object has the name, and this server has nothing below an object")

// errContradiction is returned if S3 refuses a condition that holds.
var errContradiction = errors.New("S3 contradicts itself about the version it holds")

func contradiction(because error) error { return fmt.Errorf("%w: %w", errContradiction, because) }

// errBaseGone is returned for an edit of a version that S3 has no more, if parts of it are not
// here.
var errBaseGone = errors.New(
	"the version that was edited is gone from S3, and parts of it are not here")

// errOvertaken is returned if the other party has replaced a version of which only the time or the
// mode was changed here. Its version stays, and there is nothing of ours to keep.
var errOvertaken = errors.New("the other party replaced the version whose time was set")
