package outbox

// DropUnsent is Drop of an item that nobody holds, if no request about it was ever made.
// It reports whether it was so.
func (it *Item) DropUnsent() bool {
	it.mu.Lock()
	if it.goneLocked() || it.delivery != nil || it.writers > 0 || it.tries > 0 || it.unsure {
		it.mu.Unlock()
		return false
	}
	it.writers++ // no attempt begins any more
	it.mu.Unlock()
	it.Drop()
	return true
}

// Drop forgets the item and its bytes; the caller holds it. An upload that was
// begun is ended, and what S3 holds under the item's earlier names is removed.
func (it *Item) Drop() {
	it.mu.Lock()
	if it.goneLocked() {
		it.mu.Unlock()
		return
	}
	up, key := it.up, it.key
	it.up = nil
	it.unnamed.Store(true)
	close(it.gone)
	it.mu.Unlock()
	it.o.abort(up)
	it.o.removals.undoCancel(it, it.o.removals.canceledFor(it, key))
	it.removeObsolete()
	it.erase()
	it.o.forget(it)
}

// erase ends what is kept of the item on this machine.
func (it *Item) erase() {
	it.eraseLog()
	it.mu.Lock()
	readers := it.readers
	it.readers = nil
	it.writtenBy.clear()
	it.mu.Unlock()
	for _, r := range readers {
		r.Close()
	}
	if it.stage != nil {
		it.stage.Remove()
		it.o.quota.staged.Add(-it.stage.Reserved())
	}
}

// Unname takes the item's name: it will not be delivered, by no later process
// either. Its bytes stay for those who have it open, until Drop. The caller holds
// the item for good.
func (it *Item) Unname() {
	it.mu.Lock()
	it.noPreupload = true
	it.unnamed.Store(true)
	up := it.up
	it.up = nil
	it.mu.Unlock()
	it.o.wake()
	it.removeObsolete()
	it.eraseLog()
	it.o.abort(up)
}
