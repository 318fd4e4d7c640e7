package outbox

import (
	"path/filepath"

	"github.com/s3share/s3share/s3backend"
)

// Rename gives the item another key. over is what S3 holds there, or what is being removed there.
// The caller holds the item. What the item replaced at its old key is obsolete: it is deleted after
// the delivery. displaced are items that are pending at the new key and are not delivered any more;
// the caller drops them.
func (it *Item) Rename(key string, over s3backend.Object, displaced ...*Item) error {
	it.recordETags()
	from, r := it.Key(), it.o.removals
	removing, removed := r.at(key), r.canceledFor(it, from)
	over, lost := removing.replacedBy(over)
	it.mu.Lock()
	over, leave := it.overAfter(key, over, removed != nil)
	it.ambiguous.add(lost)
	it.mu.Unlock()
	for _, d := range displaced {
		if d != nil {
			it.inheritAmbiguous(d, key)
		}
	}
	it.mu.Lock()
	rec := renamed(key, over, leave, it.ambiguous)
	it.mu.Unlock()
	synced := false // what is given up
	for _, d := range displaced {
		if d != nil {
			rec.Displaced = filepath.Base(d.path)
			synced = synced || d.log.synced.Load() > 0
		}
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
	it.mu.Lock()
	up := it.up
	it.up = nil // an upload is bound to its key
	it.entry.rename(key, over, leave)
	it.mu.Unlock()
	for _, o := range leave {
		r.addObsolete(it, o)
	}
	r.cancelFor(it, removing)
	r.undoCancel(it, removed)
	it.registerAmbiguous()
	it.o.abort(up)
	return nil
}
