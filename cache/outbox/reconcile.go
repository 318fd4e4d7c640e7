package outbox

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/s3backend"
)

// reconcile finds out why S3 refused the condition. Either an earlier attempt of
// ours had come through (done, unless it was changed since), or the other party
// removed what we replace, or it has another version there, and ours goes beside
// it.
func (it *Item) reconcile(ctx context.Context, key string, over s3backend.Object, h *s3backend.Header, seq uint64, because error) (obj s3backend.Object, done bool, err error) {
	cur, err := it.o.current(ctx, key)
	if isKind(err, s3backend.Denied) {
		return it.reconcileUnreadable(ctx, key, h, seq, because)
	}
	if err != nil {
		return obj, false, err
	}
	if took, err := it.takeOverFrom(ctx, key, cur); took || err != nil {
		return obj, false, err
	}
	landed, earlier := it.matchAmbiguous(cur, h, seq)
	it.mu.Lock()
	switch {
	case cur.ETag == over.ETag && !errors.Is(because, ErrUnread):
		// Nothing has changed there, but this upload cannot be completed any more,
		// or what it copies from is gone.
		up := it.up
		it.up = nil
		it.mu.Unlock()
		it.o.abort(up)
		return obj, false, it.materializeIfBaseGone(ctx)
	case cur.ETag == "":
		it.over = s3backend.Object{}
		it.mu.Unlock()
		return obj, false, nil
	case landed:
		it.mu.Unlock()
		return cur, true, nil
	case earlier:
		it.mu.Unlock()
		it.replaceOwnCommit(cur)
		return obj, false, nil
	}
	it.mu.Unlock()
	// Who left it may have come to remove it since S3 was asked.
	if now, err := it.o.current(ctx, key); err != nil || now.ETag != cur.ETag {
		return obj, false, err
	}
	if it.overtakenBy(cur, key) {
		return cur, false, errOvertaken
	}
	return obj, false, it.resolveAsConflict(ctx, key)
}

// overtakenBy reports whether cur, which is not ours, has replaced a version at key of
// which nothing but the time or the mode was changed here.
func (it *Item) overtakenBy(cur s3backend.Object, key string) bool {
	it.mu.Lock()
	base := it.base
	it.mu.Unlock()
	return cur.ETag != "" && cur.ETag != base.ETag && base.Key == key && it.sameBytes()
}

// reconcileUnreadable is reconcile where the policy lets us neither read nor list, as in a dropbox:
// what holds the name counts as the other party's, though it may be ours of an attempt
// whose answer was lost. So that happens once: nobody but us puts anything under the
// name of a conflict copy.
func (it *Item) reconcileUnreadable(ctx context.Context, key string, h *s3backend.Header, seq uint64, because error) (obj s3backend.Object, done bool, err error) {
	it.mu.Lock()
	ours := it.theirs != "" && slices.ContainsFunc(it.ambiguous, func(l journal.Ambiguous) bool { return l.Key == key && l.Seq == seq })
	it.mu.Unlock()
	switch {
	case isKind(because, s3backend.Stale) && ours:
		return s3backend.Object{Key: key, Size: it.stage.Size(), ETag: it.contentETag(), Modified: time.Now(), Header: h}, true, nil
	case isKind(because, s3backend.Stale):
		return obj, false, it.resolveAsConflict(ctx, key)
	}
	it.mu.Lock()
	up := it.up
	it.up = nil // it cannot be completed any more
	it.mu.Unlock()
	if up == nil {
		return obj, false, contradiction(because)
	}
	it.o.abort(up)
	return obj, false, nil
}

// resolveAsConflict gives the item a name of its own, since the other party's version
// stays where it wanted to go.
func (it *Item) resolveAsConflict(ctx context.Context, key string) error {
	// The other party replaced the version under our edit. What it held outside of the
	// edit must be had from here, for S3 has it no more.
	if err := it.materializeAll(ctx); err != nil {
		return err
	}
	it.mu.Lock()
	theirs := it.theirs
	it.mu.Unlock()
	if theirs == "" {
		theirs = key
	}
	beside := it.o.conflictKey(theirs)
	it.mu.Lock()
	r := journal.Record{Op: journal.OpRename, Key: beside, Conflict: true, Obsolete: journal.VersionsOf(it.obsolete), Ambiguous: slices.Clone(it.ambiguous)}
	it.mu.Unlock()
	if err := it.note(r); err != nil {
		return err
	}
	it.mu.Lock()
	up := it.up
	it.up, it.over, it.key = nil, s3backend.Object{}, beside
	if it.theirs == "" {
		it.theirs = key
	}
	it.mu.Unlock()
	it.registerAmbiguous()
	it.o.abort(up)
	it.o.log.Warn("conflict: the file changed in the bucket; ours goes beside it", "key", key, "ours", beside)
	it.o.events.Conflicted(it, beside)
	return nil
}

// current returns what S3 holds at key: no ETag for nothing. Its header is nil where
// the policy lets us list, but not read.
func (o *Outbox) current(ctx context.Context, key string) (s3backend.Object, error) {
	obj, err := s3backend.HeadOrList(ctx, o.bucket, key)
	if isKind(err, s3backend.NotExist) {
		return s3backend.Object{}, nil
	}
	return obj, err
}
