package outbox

import (
	"context"

	"github.com/s3share/s3share/s3backend"
)

// takeOver makes the next attempt replace cur if it is ours, which is no conflict: an obsolete
// version of an item that has another name now, a copy that a rename has made, or a version
// that is being removed. It reports whether it did.
func (r *reconciliation) takeOver(ctx context.Context, cur s3backend.Object) (bool, error) {
	it := r.it
	if cur.ETag == "" {
		return false, nil
	}
	cur.Key = r.key
	if owner := it.o.ownerOf(cur); owner != nil && owner != it {
		// It may lie over what is about to be replaced.
		if err := owner.materializeAll(ctx); err != nil {
			return false, err
		}
		r.replaceNext(cur)
		return true, nil
	}
	if r.isCopy(ctx) {
		r.replaceCopy(cur)
		return true, nil
	}
	if t := it.o.removals.at(r.key); t != nil && t.isOf(cur) {
		if err := it.o.removals.awaitKey(ctx, it, r.key); err != nil {
			return false, err
		}
		r.replaceNext(cur) // if it is gone, the next attempt finds that out
		return true, nil
	}
	return false, nil
}

// isCopy reports whether the item's key holds a copy of an obsolete version.
func (r *reconciliation) isCopy(ctx context.Context) bool {
	for _, from := range r.it.target().copies {
		if _, ours := r.it.o.findCopy(ctx, from, r.key, true); ours {
			return true
		}
	}
	return false
}

// replaceCopy makes the next attempt replace cur, which is a copy of an obsolete version.
func (r *reconciliation) replaceCopy(cur s3backend.Object) {
	r.it.changeTarget(func(t *target) { t.over, t.copies = cur, nil })
}

// replaceNext makes the next attempt replace the version over, of which nothing is in the item.
func (r *reconciliation) replaceNext(over s3backend.Object) {
	r.it.changeTarget(func(t *target) { t.over = over })
}

// replaceOwn makes the next attempt replace cur, which an earlier commit of this item made. The
// upload of that commit has ended.
func (r *reconciliation) replaceOwn(cur s3backend.Object) {
	up := r.it.uploading.upload()
	r.it.committedAs(cur, 0)
	up.Discard()
}

// match returns whether S3 holds what a commit of ours made, this one or an ambiguous one.
func (r *reconciliation) match(cur s3backend.Object) ownership {
	it := r.it
	if cur.ETag != "" && cur.Header == nil {
		it.recordETags()
	}
	t := it.target()
	whose := t.whose(cur, r.seq, commitIDOf(r.header), commitIDOf(it.uploading.upload().Header()))
	if whose == sameContent && cur.ETag != it.contentETag() {
		// It is encrypted, or somebody has changed it and kept our commit ID. Its content is
		// read from S3 again.
		it.mayDiffer.Store(true)
	}
	return whose
}
