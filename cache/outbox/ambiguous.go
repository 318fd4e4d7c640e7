package outbox

import (
	"slices"

	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/s3backend"
)

// isResultOf reports whether obj was made by the ambiguous commit l.
func isResultOf(l journal.Ambiguous, obj s3backend.Object) bool {
	switch {
	case obj.ETag == "":
		return false
	case l.Commit != "" && obj.Header != nil:
		return commitIDOf(obj.Header) == l.Commit
	}
	return l.ETag != "" && l.ETag == obj.ETag
}

// recordAmbiguous records that a commit of the content of seq at key, with this header, may have
// been carried out though there was no reply.
func (it *Item) recordAmbiguous(key string, h *s3backend.Header, seq uint64) {
	l := journal.Ambiguous{Key: key, Size: it.stage.Size(), Commit: commitIDOf(h), Seq: seq}
	it.mu.Lock()
	defer it.mu.Unlock()
	same := func(old journal.Ambiguous) bool {
		return old.Key == l.Key && old.Commit == l.Commit && old.Seq == l.Seq
	}
	if !slices.ContainsFunc(it.ambiguous, same) {
		it.ambiguous = append(it.ambiguous, l)
	}
}

// restoreAmbiguous notes that an earlier process may have ended in the middle of an
// attempt, of which its journal has no word but the IDs.
func (it *Item) restoreAmbiguous() {
	if it.folder || it.o.Private(it.key) || it.interrupted != nil && it.contentID == "" {
		return
	}
	seq := it.contentIDSeq
	if it.interrupted != nil {
		seq = 0 // what is here may not be all that was sent
	}
	if it.contentID != "" { // else nothing of it was sent
		it.recordAmbiguous(it.key, &s3backend.Header{User: map[string]string{metaCommit: it.contentID}},
			seq)
	}
	if it.up != nil && it.up.Header() != nil {
		it.recordAmbiguous(it.key, it.up.Header(), seq)
	}
}

// recordETags records the ETags that ambiguous commits of the present content would have, before
// the content changes and they cannot be computed any more.
func (it *Item) recordETags() {
	seq, etag := it.seq(), ""
	it.mu.Lock()
	known := !slices.ContainsFunc(it.ambiguous, func(l journal.Ambiguous) bool {
		return l.Seq == seq && l.ETag == ""
	})
	it.mu.Unlock()
	if known || it.stage == nil {
		return
	}
	if etag = it.contentETag(); etag == "" {
		return
	}
	it.mu.Lock()
	defer it.mu.Unlock()
	for i, l := range it.ambiguous {
		if l.Seq == seq && l.ETag == "" {
			it.ambiguous[i].ETag = etag
		}
	}
}

// matchAmbiguous reports whether S3 holds what a commit of ours made, this one or an ambiguous
// one: same if it is the content of this attempt, earlier if the file was changed since, so
// that the next attempt replaces it.
func (it *Item) matchAmbiguous(cur s3backend.Object, a *commitAttempt) (same, earlier bool) {
	if cur.ETag == "" {
		return false, false
	}
	if cur.Header == nil {
		it.recordETags()
	}
	it.mu.Lock()
	for _, l := range it.ambiguous {
		if l.Seq == a.seq && commitIDOf(a.header) == "" {
			l.Commit = "" // the metadata has no room for it
		}
		if l.Key == it.key && isResultOf(l, cur) {
			same = same || l.Seq == a.seq
			// If the size differs, the other party has changed it since.
			earlier = earlier || l.Seq != a.seq && l.Size == cur.Size
		}
	}
	id := commitIDOf(cur.Header)
	// A request may be repeated on its way, so that only the refusal comes back.
	same = same || id != "" && (id == commitIDOf(a.header) ||
		it.up != nil && id == commitIDOf(it.up.Header()))
	it.mu.Unlock()
	if earlier {
		return false, true // if in doubt, the content is sent again
	}
	if same && cur.ETag != it.contentETag() {
		// It is encrypted, or somebody has changed it and kept our commit ID. Its content is
		// read from S3 again.
		it.mayDiffer.Store(true)
	}
	return same, false
}

// replaceOwnCommit makes the next attempt replace cur, which an earlier commit of this item made.
// The upload of that commit has ended.
func (it *Item) replaceOwnCommit(cur s3backend.Object) {
	up := it.upload()
	it.committedAs(cur, 0)
	it.o.abort(up)
}

// inheritAmbiguous takes over the ambiguous commits of another item at a key that is now the key of
// this item.
func (it *Item) inheritAmbiguous(from *Item, key string) {
	from.recordETags()
	mine := from.clearAmbiguous(key)
	it.mu.Lock()
	defer it.mu.Unlock()
	for _, l := range mine {
		l.Seq = 0 // another's content
		it.ambiguous = append(it.ambiguous, l)
	}
}

// registerAmbiguous enters the item at the keys of its ambiguous commits that it does not have
// any more, for those who commit there.
func (it *Item) registerAmbiguous() {
	it.mu.Lock()
	defer it.mu.Unlock()
	for _, l := range it.ambiguous {
		if l.Key != it.key {
			it.o.registerAmbiguous(it, l.Key)
		}
	}
}

func (o *Outbox) registerAmbiguous(it *Item, key string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !slices.Contains(o.ambiguousByKey[key], it) {
		o.ambiguousByKey[key] = append(o.ambiguousByKey[key], it)
	}
}

// unregisterAmbiguous removes the item from the keys of these ambiguous commits.
func (o *Outbox) unregisterAmbiguous(it *Item, commits []journal.Ambiguous) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, l := range commits {
		items := slices.DeleteFunc(o.ambiguousByKey[l.Key], func(at *Item) bool { return at == it })
		if o.ambiguousByKey[l.Key] = items; len(items) == 0 {
			delete(o.ambiguousByKey, l.Key)
		}
	}
}

// clearAmbiguousAt clears the ambiguous commits of other items at a key: what is there now has
// replaced what they may have made.
func (o *Outbox) clearAmbiguousAt(key string) {
	o.mu.Lock()
	items := o.ambiguousByKey[key]
	delete(o.ambiguousByKey, key)
	o.mu.Unlock()
	for _, it := range items {
		it.clearAmbiguous(key)
	}
}

// clearAmbiguous removes the ambiguous commits at a key, and returns them.
func (it *Item) clearAmbiguous(key string) (dropped []journal.Ambiguous) {
	it.mu.Lock()
	defer it.mu.Unlock()
	it.ambiguous = slices.DeleteFunc(it.ambiguous, func(l journal.Ambiguous) bool {
		if l.Key == key {
			dropped = append(dropped, l)
		}
		return l.Key == key
	})
	return dropped
}
