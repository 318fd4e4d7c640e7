package outbox

import (
	"context"

	"github.com/s3share/s3share/s3backend"
)

// takeOver makes the next attempt replace cur if it is ours, which is no conflict: an obsolete
// version of an item that has another name now, a copy that a rename has made, or a version
// that is being removed. It reports whether it did.
func (a *commitAttempt) takeOver(ctx context.Context, cur s3backend.Object) (bool, error) {
	it := a.it
	if cur.ETag == "" {
		return false, nil
	}
	cur.Key = a.key
	if owner := it.o.ownerOf(cur); owner != nil && owner != it {
		// It may lie over what is about to be replaced.
		if err := owner.materializeAll(ctx); err != nil {
			return false, err
		}
		a.replaceNext(cur)
		return true, nil
	}
	if a.isCopy(ctx) {
		a.replaceCopy(cur)
		return true, nil
	}
	if t := it.o.removals.at(a.key); t != nil && t.isOf(cur) {
		if err := it.o.removals.awaitKey(ctx, it, a.key); err != nil {
			return false, err
		}
		a.replaceNext(cur) // if it is gone, the next attempt finds that out
		return true, nil
	}
	return false, nil
}

// isCopy reports whether the item's key holds a copy of an obsolete version.
func (a *commitAttempt) isCopy(ctx context.Context) bool {
	for _, from := range a.it.target().copies {
		if _, ours := a.it.o.findCopy(ctx, from, a.key, true); ours {
			return true
		}
	}
	return false
}

// replaceCopy makes the next attempt replace cur, which is a copy of an obsolete version.
func (a *commitAttempt) replaceCopy(cur s3backend.Object) {
	a.it.changeTarget(func(t *target) { t.over, t.copies = cur, nil })
}

// replaceNext makes the next attempt replace the version over, of which nothing is in the item.
func (a *commitAttempt) replaceNext(over s3backend.Object) {
	a.it.changeTarget(func(t *target) { t.over = over })
}

// replaceOwn makes the next attempt replace cur, which an earlier commit of this item made. The
// upload of that commit has ended.
func (a *commitAttempt) replaceOwn(cur s3backend.Object) {
	up := a.it.uploading.upload()
	a.it.committedAs(cur, 0)
	up.Discard()
}

// ownership is whose a version is that S3 holds at the key of a commit.
type ownership int

const (
	notOurs     ownership = iota // the other party's, or nothing
	sameContent                  // the content of this attempt
	earlier                      // an earlier content of the item
	inherited                    // of another item, whose key this one has taken
)

// match returns whether S3 holds what a commit of ours made, this one or an ambiguous one.
func (a *commitAttempt) match(cur s3backend.Object) ownership {
	it := a.it
	if cur.ETag == "" {
		return notOurs
	}
	if cur.Header == nil {
		it.recordETags()
	}
	same, before, others := false, false, false
	t := it.target()
	for _, l := range t.ambiguous {
		if isContentOf(l, a.seq) && commitIDOf(a.header) == "" {
			l.Commit = "" // the metadata has no room for it
		}
		if l.Key == t.key && isResultOf(l, cur) {
			now := isContentOf(l, a.seq)
			same = same || now
			// If the size differs, the other party has changed it since.
			before = before || !now && !l.Inherited && l.Size == cur.Size
			others = others || l.Inherited && l.Size == cur.Size
		}
	}
	id := commitIDOf(cur.Header)
	// A request may be repeated on its way, so that only the refusal comes back.
	same = same || id != "" && (id == commitIDOf(a.header) || id == commitIDOf(it.uploading.upload().Header()))
	switch { // if in doubt, the content is sent again
	case others:
		return inherited
	case before:
		return earlier
	case !same:
		return notOurs
	}
	if cur.ETag != it.contentETag() {
		// It is encrypted, or somebody has changed it and kept our commit ID. Its content is
		// read from S3 again.
		it.mayDiffer.Store(true)
	}
	return sameContent
}
