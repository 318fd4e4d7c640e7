package outbox

import "context"

// Open makes the staged bytes available to ReadAt and other methods; the caller calls Close.
// Create's caller has them open already. The error is ErrGone if the item was delivered, and its
// bytes handed on.
func (it *Item) Open() error {
	it.mu.Lock()
	defer it.mu.Unlock()
	if it.goneLocked() {
		return ErrGone
	}
	return it.stage.Open()
}

// Close ends the caller's use of the staged bytes. The delivery goes on.
func (it *Item) Close() { it.stage.Close() }

// WriteAt stages p at off. The error is the local disk's, or why S3 refuses the file if that is
// known already.
func (it *Item) WriteAt(p []byte, off int64) (n int, err error) {
	err = it.change(func() (err error) {
		if n, err = it.stage.WriteAt(p, off, it.noteWrite); err != nil {
			return err
		}
		it.afterWrite(off + int64(n))
		return nil
	})
	return n, err
}

// Append stages p at the end, and returns its offset.
func (it *Item) Append(p []byte) (off int64, n int, err error) {
	err = it.change(func() (err error) {
		if off, n, err = it.stage.Append(p, it.noteWrite); err != nil {
			return err
		}
		it.afterWrite(off + int64(n))
		return nil
	})
	return off, n, err
}

func (it *Item) beforeWrite() error {
	it.sealRefused.Store(false) // the next close seals it
	if err := it.uploading.denial(); err != nil {
		return err
	}
	if it.isSealed() {
		it.beginRewrite()
		if err := it.unseal(); err != nil {
			return err
		}
	}
	if it.log.sealedOnDisk.Load() == 0 {
		return nil
	}
	// Before a byte is written over, the disk knows that the file is open: else a
	// process after a power loss would deliver what is half the one and half the other.
	if err := it.log.sync(); err != nil {
		return err
	}
	it.log.sealedOnDisk.Store(0)
	return nil
}

// unseal journals that the item is being written again, before it is.
func (it *Item) unseal() error {
	if !it.isSealed() {
		return nil
	}
	it.recordETags()
	return it.noteOpen()
}

// noteWrite journals which bytes over the base are staged, or which are in a slot. A new file in a
// file of its own needs no record: its size shows it.
func (it *Item) noteWrite(off, end int64) error {
	if !it.edits && !it.log.inSlot() {
		return nil
	}
	return it.log.noteWrite(off, end)
}

// afterWrite is called when bytes up to end were staged.
func (it *Item) afterWrite(end int64) {
	it.Renew()
	it.uploading.preupload(end)
}

// ReadAt reads what was staged, over the base. At the end it returns io.EOF.
func (it *Item) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	return it.stage.ReadAt(ctx, p, off)
}

// Truncate sets the size. After an error, the content is what it was.
func (it *Item) Truncate(size int64) error {
	return it.change(func() error {
		if err := it.stage.Truncate(size, it.noteSize()); err != nil {
			return err
		}
		if size == 0 {
			it.setEmptied()
		}
		return nil
	})
}

// Grow makes the file at least size bytes long. Its time changes in any case.
func (it *Item) Grow(size int64) error {
	return it.change(func() error { return it.stage.Grow(size, it.noteSize()) })
}

// Punch makes [off, end) read as zero, within the file's size. Its time changes in any case.
func (it *Item) Punch(off, end int64) error {
	return it.change(func() error {
		if err := it.stage.Punch(off, end, it.noteWrite); err != nil {
			return err
		}
		it.afterWrite(min(end, it.stage.Size()))
		return nil
	})
}

// noteSize returns the function that journals how much of the base is left, or of what is in a
// slot; nil if the size of the staged file shows it.
func (it *Item) noteSize() func(size, baseValid int64) error {
	if !it.edits && !it.log.inSlot() {
		return nil
	}
	return it.log.noteSize
}

// Lseek finds the next hole, or the next data, from off on; ENXIO at and behind the end.
func (it *Item) Lseek(off int64, hole bool) (int64, error) { return it.stage.Lseek(off, hole) }
