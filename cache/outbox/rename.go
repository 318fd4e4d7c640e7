package outbox

import (
	"path/filepath"

	"github.com/s3share/s3share/s3backend"
)

// Rename gives the item another key. over is what S3 holds there, or what is being removed there.
// The caller holds the item. What the item replaced at its old key is obsolete: it is deleted after
// the delivery. displaced is the item that is pending at the new key and is not delivered any more,
// nil for none; the caller drops it.
func (it *Item) Rename(key string, over s3backend.Object, displaced *Item) error {
	it.recordETags()
	from, r := it.Key(), it.o.removals
	removing, removed := r.at(key), r.canceledFor(it, from)
	over, lost := removing.replacedBy(over)
	var leave []s3backend.Object
	it.changeTarget(func(t *target) { over, leave = t.overAfter(key, over, removed != nil) })
	if displaced != nil {
		displaced.recordETags()
		lost.add(displaced.target().ambiguous.atKey(key).inherited())
	}
	all := it.target().ambiguous
	all.add(lost)
	rec := renamed(key, over, leave, all)
	synced := false // what is given up
	if displaced != nil {
		rec.Displaced = filepath.Base(displaced.path)
		synced = displaced.log.synced.Load() > 0
	}
	if synced {
		if err := it.syncHeld(); err != nil {
			return err
		}
	}
	if err := it.log.note(rec); err != nil {
		return err
	}
	if synced { // at no time does a power loss leave neither
		if err := it.log.sync(); err != nil {
			it.o.log.Warn("a power loss would undo a rename, and leave nothing under the new name",
				"key", key, "err", err)
		}
	}
	it.changeTarget(func(t *target) {
		t.rename(key, over, leave)
		t.ambiguous.add(lost)
	})
	if displaced != nil {
		displaced.clearAmbiguous(key)
	}
	up := it.uploading.take() // an upload is bound to its key, as a refusal is
	it.uploading.retry()
	for _, o := range leave {
		r.addObsolete(it, o)
	}
	r.cancelFor(it, removing)
	r.undoCancel(it, removed)
	it.o.ambiguous.add(it)
	up.Discard()
	return nil
}

// becomeConflict makes the item a conflict copy at key, which replaces nothing.
func (it *Item) becomeConflict(key string) error {
	t := it.target()
	r := renamed(key, s3backend.Object{}, t.obsolete, t.ambiguous)
	r.Conflict = true
	if err := it.log.note(r); err != nil {
		return err
	}
	it.changeTarget(func(t *target) { t.becomeConflict(key) })
	it.o.ambiguous.add(it)
	it.uploading.take().Discard() // an upload is bound to its key
	return nil
}
