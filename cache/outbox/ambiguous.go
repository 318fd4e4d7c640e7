package outbox

import (
	"slices"

	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/s3backend"
)

// ambiguousCommits are commits whose outcome is unknown, since their replies were lost. They are a
// plain value, in the target of an item.
type ambiguousCommits []journal.Ambiguous

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

// record adds a commit, unless the same one is there.
func (as *ambiguousCommits) record(l journal.Ambiguous) {
	same := func(old journal.Ambiguous) bool {
		return old.Key == l.Key && old.Commit == l.Commit && old.Seq == l.Seq
	}
	if !slices.ContainsFunc(*as, same) {
		*as = append(*as, l)
	}
}

// add adds those of other commits that are not there.
func (as *ambiguousCommits) add(others ambiguousCommits) {
	for _, l := range others {
		if !slices.Contains(*as, l) {
			*as = append(*as, l)
		}
	}
}

// drop removes the commits at a key.
func (as *ambiguousCommits) drop(key string) {
	*as = slices.DeleteFunc(*as, func(l journal.Ambiguous) bool { return l.Key == key })
}

// dropKnown removes the commits at a key of which the commit ID is known.
func (as *ambiguousCommits) dropKnown(key string) {
	*as = slices.DeleteFunc(*as, func(l journal.Ambiguous) bool {
		return l.Key == key && l.Commit != ""
	})
}

// inherited returns the commits for an item that takes over their key.
func (as ambiguousCommits) inherited() ambiguousCommits {
	as = slices.Clone(as)
	for i := range as {
		as[i].Seq, as[i].Inherited = 0, true
	}
	return as
}

// isContentOf reports whether the commit l was of the content of seq of its item.
func isContentOf(l journal.Ambiguous, seq uint64) bool { return !l.Inherited && l.Seq == seq }

// at reports whether a commit is at this key.
func (as ambiguousCommits) at(key string) bool {
	return slices.ContainsFunc(as, func(l journal.Ambiguous) bool { return l.Key == key })
}

// atKey returns the commits at this key.
func (as ambiguousCommits) atKey(key string) (there ambiguousCommits) {
	for _, l := range as {
		if l.Key == key {
			there = append(there, l)
		}
	}
	return there
}

// notAt reports whether a commit is at another key than this.
func (as ambiguousCommits) notAt(key string) bool {
	return slices.ContainsFunc(as, func(l journal.Ambiguous) bool { return l.Key != key })
}

// made reports whether a commit has made obj, which key holds.
func (as ambiguousCommits) made(key string, obj s3backend.Object) bool {
	return slices.ContainsFunc(as, func(l journal.Ambiguous) bool {
		return l.Key == key && isResultOf(l, obj)
	})
}

// mayHaveMade reports whether obj has the key and the size of a commit.
func (as ambiguousCommits) mayHaveMade(obj s3backend.Object) bool {
	return slices.ContainsFunc(as, func(l journal.Ambiguous) bool {
		return l.Key == obj.Key && l.Size == obj.Size
	})
}

// sent reports whether the content of seq was sent to a key.
func (as ambiguousCommits) sent(key string, seq uint64) bool {
	return slices.ContainsFunc(as, func(l journal.Ambiguous) bool {
		return l.Key == key && isContentOf(l, seq)
	})
}

// lackETag reports whether a commit of the content of seq has no ETag.
func (as ambiguousCommits) lackETag(seq uint64) bool {
	return slices.ContainsFunc(as, func(l journal.Ambiguous) bool {
		return isContentOf(l, seq) && l.ETag == ""
	})
}

// setETag sets the ETag of the commits of the content of seq that have none.
func (as ambiguousCommits) setETag(seq uint64, etag string) {
	for i, l := range as {
		if isContentOf(l, seq) && l.ETag == "" {
			as[i].ETag = etag
		}
	}
}

// recordAmbiguous records that a commit of the content of seq at key, with this header, may have
// been carried out though there was no reply.
func (c *content) recordAmbiguous(key string, h *s3backend.Header, seq uint64) {
	l := journal.Ambiguous{Key: key, Size: c.stage.Size(), Commit: commitIDOf(h), Seq: seq}
	c.object.changeTarget(func(t *target) { t.ambiguous.record(l) })
}

// restoreAmbiguous notes that an earlier process may have ended in the middle of an
// attempt, of which its journal has no word but the IDs.
func (c *content) restoreAmbiguous() {
	t := c.object.target()
	if c.stage == nil || c.o.Private(t.key) || c.interruptedBy() != nil && t.contentID == "" {
		return
	}
	seq := t.contentIDSeq
	if c.interruptedBy() != nil {
		seq = 0 // what is here may not be all that was sent
	}
	if t.contentID != "" { // else nothing of it was sent
		c.recordAmbiguous(t.key,
			&s3backend.Header{User: map[string]string{metaCommit: t.contentID}},
			seq)
	}
	if h := c.uploading.upload().Header(); h != nil {
		c.recordAmbiguous(t.key, h, seq)
	}
}

// recordETags records the ETags that ambiguous commits of the present content would have, before
// the content changes and they cannot be computed any more.
func (c *content) recordETags() {
	seq := c.seq()
	if c.stage == nil || !c.object.target().ambiguous.lackETag(seq) {
		return
	}
	etag := c.contentETag()
	if etag == "" {
		return
	}
	c.object.changeTarget(func(t *target) { t.ambiguous.setETag(seq, etag) })
}
