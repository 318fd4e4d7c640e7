package outbox

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/s3share/s3share/s3backend"
)

// reconciliation finds out what an attempt has to replace that S3 has refused.
type reconciliation struct {
	*commitAttempt
	refused error
}

// run finds out what S3 holds. If done is set, obj is the item's content, or what it was overtaken
// by. Else the next attempt replaces what S3 holds, or the error says why there is none.
func (r *reconciliation) run(ctx context.Context) (obj s3backend.Object, done bool, err error) {
	if errors.Is(r.refused, errBaseGone) {
		// We may have replaced it, by a commit whose reply was lost.
		if cur, err := r.it.o.current(ctx, r.key); err == nil {
			switch r.match(cur) {
			case sameContent:
				return cur, true, nil
			case earlier:
				r.replaceOwn(cur)
				return obj, false, nil
			case notOurs:
				if r.overtakenBy(cur) {
					return cur, true, errOvertaken
				}
			}
		}
	}
	if r.keepsHeader() {
		return r.it.Base(), true, nil
	}
	if !isKind(r.refused, s3backend.Stale) && !isKind(r.refused, s3backend.NotExist) {
		return obj, false, r.refused
	}
	return r.compareVersion(ctx)
}

// keepsHeader reports whether only the time or the mode of what S3 holds was changed, and the
// policy does not let us write them, since an object that may not be read cannot be copied.
// Then they are kept on this machine.
func (r *reconciliation) keepsHeader() bool {
	base := r.it.Base()
	if !isPermanent(r.refused) || !r.it.headerOnly() || base.Key != r.key ||
		r.over.ETag != base.ETag {
		return false
	}
	r.it.changeTarget(func(t *target) { t.keptHere = r.refused })
	return true
}

// compareVersion finds out why S3 refused the condition. Either an earlier commit of ours was
// carried out (done, unless the file was changed since), or the other party removed what the
// attempt replaces, or it has put another version there, and ours becomes a conflict copy.
func (r *reconciliation) compareVersion(ctx context.Context) (obj s3backend.Object, done bool,
	err error) {
	it := r.it
	cur, err := it.o.current(ctx, r.key)
	if isKind(err, s3backend.Denied) {
		return r.assumeUnread(ctx)
	}
	if err != nil {
		return obj, false, err
	}
	if took, err := r.takeOver(ctx, cur); took || err != nil {
		return obj, false, err
	}
	whose := r.match(cur)
	switch {
	case cur.ETag == r.over.ETag && !errors.Is(r.refused, ErrUnread):
		// Nothing has changed there, but this upload cannot be completed any more, or what it
		// copies from is gone.
		it.uploading.take().Discard()
		return obj, false, r.materializeIfBaseGone(ctx)
	case cur.ETag == "":
		r.replaceNext(s3backend.Object{})
		return obj, false, nil
	case whose == sameContent:
		return cur, true, nil
	case whose == earlier:
		r.replaceOwn(cur)
		return obj, false, nil
	case whose == inherited:
		cur.Key = r.key
		r.replaceNext(cur)
		return obj, false, nil
	}
	// It may be an obsolete version of ours that was removed since S3 was asked.
	if now, err := it.o.current(ctx, r.key); err != nil || now.ETag != cur.ETag {
		return obj, false, err
	}
	if r.overtakenBy(cur) {
		return cur, false, errOvertaken
	}
	if cur.Header != nil {
		// No ambiguous commit of a known ID has made it, so that none is to hide it.
		it.changeTarget(func(t *target) { t.ambiguous.dropKnown(r.key) })
	}
	return obj, false, r.resolveAsConflict(ctx)
}

// overtakenBy reports whether the other party has replaced a version of which only the time or
// the mode was changed here. cur is what S3 holds, and not ours.
func (r *reconciliation) overtakenBy(cur s3backend.Object) bool {
	base := r.it.Base()
	return cur.ETag != "" && cur.ETag != base.ETag && base.Key == r.key && r.it.sameBytes()
}

// assumeUnread is compareVersion if the policy lets us neither read nor list, as in a
// dropbox. What has the key counts as the other party's, though it may be ours, of an ambiguous
// commit. This happens once: only we put anything at the key of a conflict copy.
func (r *reconciliation) assumeUnread(ctx context.Context) (obj s3backend.Object, done bool,
	err error) {
	it := r.it
	switch {
	case isKind(r.refused, s3backend.Stale) && r.wasSentAsConflictCopy():
		return s3backend.Object{Key: r.key, Size: it.stage.Size(), ETag: it.contentETag(),
			Modified: time.Now(), Header: r.header}, true, nil
	case isKind(r.refused, s3backend.Stale):
		return obj, false, r.resolveAsConflict(ctx)
	}
	up := it.uploading.take() // it cannot be completed any more
	if up == nil {
		return obj, false, contradiction(r.refused)
	}
	up.Discard()
	return obj, false, nil
}

// wasSentAsConflictCopy reports whether the item is a conflict copy, and the content of the attempt
// was sent to its key before, without a reply.
func (r *reconciliation) wasSentAsConflictCopy() bool {
	t := r.it.target()
	return t.theirs != "" && t.ambiguous.sent(r.key, r.seq)
}

// resolveAsConflict makes the item a conflict copy, since the other party's version stays at the
// key.
func (r *reconciliation) resolveAsConflict(ctx context.Context) error {
	it, key := r.it, r.key
	// The other party replaced the version under our edit. What it held outside of the
	// edit must be had from here, for S3 has it no more.
	if err := it.materializeAll(ctx); err != nil {
		return err
	}
	ours := it.o.conflictKey(cmp.Or(it.target().theirs, key))
	if err := it.becomeConflict(ours); err != nil {
		return err
	}
	it.o.log.Warn("conflict: the file changed in the bucket; ours becomes a conflict copy",
		"key", key,
		"ours", ours)
	it.o.events.Conflicted(it, ours)
	return nil
}

// materializeIfBaseGone copies the base here if S3 does not hold it any more. It may be cached.
func (r *reconciliation) materializeIfBaseGone(ctx context.Context) error {
	it, base := r.it, r.it.Base()
	if base.ETag == "" || it.stage.Complete() {
		return nil
	}
	cur, err := it.o.current(ctx, base.Key)
	if err != nil || cur.ETag == base.ETag {
		return err
	}
	return it.materializing.copy(ctx, 0, it.stage.Size())
}

// current returns what S3 holds at key, without an ETag for nothing. Its header is nil if the
// policy lets us list, but not read.
func (o *Outbox) current(ctx context.Context, key string) (s3backend.Object, error) {
	obj, err := s3backend.HeadOrList(ctx, o.bucket, key)
	if isKind(err, s3backend.NotExist) {
		return s3backend.Object{}, nil
	}
	return obj, err
}
