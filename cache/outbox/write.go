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
		if n, err = it.stage.WriteAt(p, off); err != nil {
			return err
		}
		return it.afterWrite(off, off+int64(n))
	})
	return n, err
}

// Append stages p at the end, and returns its offset.
func (it *Item) Append(p []byte) (off int64, n int, err error) {
	err = it.change(func() (err error) {
		if off, n, err = it.stage.Append(p); err != nil {
			return err
		}
		return it.afterWrite(off, off+int64(n))
	})
	return off, n, err
}

func (it *Item) beforeWrite() error {
	if err := it.uploading.denial(); err != nil {
		return err
	}
	if it.log.sealed.Load() {
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

// afterWrite journals which bytes over the base are staged, or which are in a slot. A new file in a
// file of its own needs no record: its size shows it.
func (it *Item) afterWrite(off, end int64) error {
	if it.edits || it.log.inSlot() {
		if err := it.log.noteWrite(off, end); err != nil {
			return err
		}
	}
	it.Renew()
	it.uploading.preupload(end)
	return nil
}

// ReadAt reads what was staged, over the base. At the end it returns io.EOF.
func (it *Item) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	return it.stage.ReadAt(ctx, p, off)
}

// Truncate sets the size.
func (it *Item) Truncate(size int64) error {
	return it.change(func() error {
		if err := it.stage.Truncate(size); err != nil {
			return err
		}
		if err := it.noteSize(); err != nil {
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
	return it.change(func() error {
		if err := it.stage.Grow(size); err != nil {
			return err
		}
		return it.noteSize()
	})
}

// Punch makes [off, end) read as zero, within the file's size. Its time changes in any case.
func (it *Item) Punch(off, end int64) error {
	return it.change(func() error {
		if err := it.stage.Punch(off, end); err != nil {
			return err
		}
		end = min(end, it.stage.Size())
		return it.afterWrite(min(off, end), end)
	})
}

// noteSize journals how much of the base is left, or of what is in a slot.
func (it *Item) noteSize() error {
	if !it.edits && !it.log.inSlot() {
		return nil
	}
	return it.log.noteSize(it.stage.Bounds())
}

// Lseek finds the next hole, or the next data, from off on; ENXIO at and behind the end.
func (it *Item) Lseek(off int64, hole bool) (int64, error) { return it.stage.Lseek(off, hole) }
