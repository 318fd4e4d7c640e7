package outbox

import (
	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/s3backend"
)

// noteObsolete notes the removal of the item's obsolete versions, and of what its ambiguous commits
// may have made. The caller ends the item's journal, or its need of these versions, and then calls
// remove, which queues the removals: a later process that finds the item may have to read them.
func (it *Item) noteObsolete() (remove func()) {
	it.recordETags()
	t := it.target()
	left := t.ambiguous
	var keys []string
	for _, old := range t.obsolete {
		it.o.removals.add(&removal{obj: old, conditional: true, neededBy: it})
		keys = append(keys, old.Key)
	}
	for _, l := range left {
		it.o.removals.add(&removal{obj: s3backend.Object{Key: l.Key},
			ambiguous: []journal.Ambiguous{l}, conditional: true, neededBy: it})
		keys = append(keys, l.Key)
	}
	it.changeTarget(func(t *target) { t.obsolete, t.ambiguous = nil, nil }) // the journal has them
	it.o.ambiguous.remove(it, left)
	return func() { it.o.removals.journalEnded(it, keys) }
}

// ownerOf returns the item that owns this version, of a key that the item may not have any more;
// nil for none.
func (o *Outbox) ownerOf(obj s3backend.Object) *Item {
	for _, it := range o.Items() {
		if t := it.target(); t.owns(obj) {
			return it
		}
	}
	return nil
}

// forgetObsolete records that something else has taken a key of an obsolete version, which is not
// removed any more.
func (it *Item) forgetObsolete(key string) {
	if it == nil {
		return
	}
	var r journal.Record
	less := false
	it.changeTarget(func(t *target) {
		n := len(t.obsolete)
		t.obsolete = t.obsoleteNotAt(key)
		r = journal.Record{Op: journal.OpObsolete, Obsolete: journal.VersionsOf(t.obsolete)}
		less = len(t.obsolete) < n
	})
	if !less {
		return
	}
	if err := it.log.noteOrLater(r); err != nil {
		it.o.log.Error(
			"after the end of this process a file may be removed whose name was taken again",
			"key", key, "err", err)
	}
}
