package outbox

// DropUnsent drops an item that nobody holds, if no request about it was ever made. It reports
// whether it did.
func (it *Item) DropUnsent() bool {
	unsent := it.schedule.holdUnsent(it.MayBeThere)
	if unsent {
		it.Drop()
	}
	return unsent
}

// Drop removes the item and its bytes; the caller holds it. Its upload is aborted, and its obsolete
// versions are removed.
func (it *Item) Drop() {
	if !it.schedule.drop() {
		return
	}
	up, key := it.uploading.take(), it.Key()
	up.Discard()
	it.o.removals.undoCancel(it, it.o.removals.canceledFor(it, key))
	removeObsolete := it.noteObsolete()
	it.erase()
	removeObsolete()
	it.o.forget(it)
}

// erase removes what is kept of the item on this machine.
func (it *Item) erase() {
	it.log.end()
	it.clearWriters()
	it.materializing.closeReaders()
	if it.o.cfg.Annotations != nil && !it.folder {
		it.annotations.forget()
	}
	if it.stage != nil {
		it.log.removeBytes()
		it.o.quota.staged.Add(-it.stage.Reserved())
	}
}

// Unname removes the item's name. It will never be delivered, by a later process either. Its bytes
// stay, until Drop, for programs that have it open. The caller holds the item for good.
func (it *Item) Unname() {
	it.uploading.stopPreupload()
	it.schedule.unnamed.Store(true)
	up := it.uploading.take()
	it.o.waiters.wake()
	removeObsolete := it.noteObsolete()
	it.log.end()
	removeObsolete()
	up.Discard()
}
