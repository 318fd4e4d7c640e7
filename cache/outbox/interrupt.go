package outbox

// change calls f, which changes the staged bytes. Every change of the content goes through it:
// after an error that a program gets, the file is not for delivery.
func (it *Item) change(f func() error) error {
	it.changing.RLock()
	defer it.changing.RUnlock()
	err := it.beforeWrite()
	if err == nil {
		err = f()
	}
	if err != nil {
		it.Refuse(err)
	}
	return err
}

// beginRewrite ends the interruption of a closed file if writing on completes it.
func (it *Item) beginRewrite() {
	if it.completeByWriting() {
		it.clearReason()
	}
}

// Renew ends an interruption if the file was truncated to nothing since. A write does the same.
// Renew is for programs that mean the file to be empty.
func (it *Item) Renew() {
	if it.completeByRewriting() {
		it.clearReason()
	}
}

// Deliver sends an interrupted item as it is.
func (it *Item) Deliver() error {
	done, err := it.sealAsIs(it.isInterrupted)
	if !done {
		return err
	}
	it.mu.Lock()
	defer it.mu.Unlock()
	if it.state == Interrupted && it.writers == 0 && !it.goneLocked() {
		it.state = Sealed
		it.scheduleOrParkLocked(0)
	}
	return nil
}

// isInterrupted reports whether the item is kept here because its content may not be complete.
func (it *Item) isInterrupted() bool {
	it.mu.Lock()
	defer it.mu.Unlock()
	return it.state == Interrupted
}
