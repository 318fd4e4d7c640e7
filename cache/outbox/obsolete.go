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
	it.mu.Lock()
	leave, left := it.obsolete, it.ambiguous
	it.mu.Unlock()
	var keys []string
	for _, old := range leave {
		it.o.removals.add(&removal{obj: old, conditional: true, neededBy: it})
		keys = append(keys, old.Key)
	}
	for _, l := range left {
		it.o.removals.add(&removal{obj: s3backend.Object{Key: l.Key},
			ambiguous: []journal.Ambiguous{l}, conditional: true, neededBy: it})
		keys = append(keys, l.Key)
	}
	it.mu.Lock()
	it.obsolete, it.ambiguous = nil, nil // the journal still has them
	it.mu.Unlock()
	it.o.unregisterAmbiguous(it, left)
	return func() { it.o.removals.notNeeded(it, keys) }
}

// owns reports whether this version is obsolete once the item is delivered, or may be of an
// ambiguous commit of the item.
func (it *Item) owns(obj s3backend.Object) bool {
	it.mu.Lock()
	defer it.mu.Unlock()
	return it.isObsolete(obj.Key, obj.ETag) || it.ambiguous.made(obj.Key, obj)
}

// ownerOf returns the item that owns this version, of a key that the item may not have any more;
// nil for none.
func (o *Outbox) ownerOf(obj s3backend.Object) *Item {
	for _, it := range o.Items() {
		if it.owns(obj) {
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
	it.mu.Lock()
	n := len(it.obsolete)
	it.obsolete = it.obsoleteNotAt(key)
	r := journal.Record{Op: journal.OpObsolete, Obsolete: journal.VersionsOf(it.obsolete)}
	less := len(it.obsolete) < n
	it.mu.Unlock()
	if !less {
		return
	}
	if err := it.log.note(r); err != nil {
		it.o.log.Error("after the end of this process a file may be removed whose name was taken again",
			"key", key, "err", err)
	}
}

// hasObsoleteLocked reports whether S3 holds, or may hold, something of the item at a key that it
// does not have any more.
func (it *Item) hasObsoleteLocked() bool {
	return len(it.obsolete) > 0 || it.ambiguous.notAt(it.key)
}
