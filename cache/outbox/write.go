package outbox

import "context"

// Close ends the caller's use of the staged bytes. The delivery goes on.
func (c *content) Close() { c.stage.Close() }

// WriteAt stages p at off. The error is the local disk's, or why S3 refuses the file if that is
// known already.
func (c *content) WriteAt(p []byte, off int64) (n int, err error) {
	err = c.change(func() (err error) {
		if n, err = c.stage.WriteAt(p, off, c.noteWrite); err != nil {
			return err
		}
		c.afterWrite(off + int64(n))
		return nil
	})
	return n, err
}

// Append stages p at the end, and returns its offset.
func (c *content) Append(p []byte) (off int64, n int, err error) {
	err = c.change(func() (err error) {
		if off, n, err = c.stage.Append(p, c.noteWrite); err != nil {
			return err
		}
		c.afterWrite(off + int64(n))
		return nil
	})
	return off, n, err
}

func (c *content) beforeWrite() error {
	c.sealRefused.Store(false) // the next close seals it
	if err := c.uploading.denial(); err != nil {
		return err
	}
	if c.isSealed() {
		c.beginRewrite()
		if err := c.unseal(); err != nil {
			return err
		}
	}
	if c.log.sealedOnDisk.Load() == 0 {
		return nil
	}
	// Before a byte is written over, the disk knows that the file is open: else a
	// process after a power loss would deliver what is half the one and half the other.
	if err := c.log.sync(); err != nil {
		return err
	}
	c.log.sealedOnDisk.Store(0)
	return nil
}

// unseal journals that the item is being written again, before it is.
func (c *content) unseal() error {
	if !c.isSealed() {
		return nil
	}
	c.recordETags()
	return c.noteOpen()
}

// noteWrite journals which bytes over the base are staged, or which are in a slot. A new file in a
// file of its own needs no record: its size shows it.
func (c *content) noteWrite(off, end int64) error {
	if !c.edits && !c.log.inSlot() {
		return nil
	}
	return c.log.noteWrite(off, end)
}

// afterWrite is called when bytes up to end were staged.
func (c *content) afterWrite(end int64) {
	c.Renew()
	c.uploading.preupload(end)
}

// ReadAt reads what was staged, over the base. At the end it returns io.EOF.
func (c *content) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	return c.stage.ReadAt(ctx, p, off)
}

// Truncate sets the size. After an error, the content is what it was.
func (c *content) Truncate(size int64) error {
	return c.change(func() error {
		if err := c.stage.Truncate(size, c.noteSize()); err != nil {
			return err
		}
		if size == 0 {
			c.setEmptied()
		}
		return nil
	})
}

// Grow makes the file at least size bytes long. Its time changes in any case.
func (c *content) Grow(size int64) error {
	return c.change(func() error { return c.stage.Grow(size, c.noteSize()) })
}

// Punch makes [off, end) read as zero, within the file's size. Its time changes in any case.
func (c *content) Punch(off, end int64) error {
	return c.change(func() error {
		if err := c.stage.Punch(off, end, c.noteWrite); err != nil {
			return err
		}
		c.afterWrite(min(end, c.stage.Size()))
		return nil
	})
}

// noteSize returns the function that journals how much of the base is left, or of what is in a
// slot; nil if the size of the staged file shows it.
func (c *content) noteSize() func(size, baseValid int64) error {
	if !c.edits && !c.log.inSlot() {
		return nil
	}
	return c.log.noteSize
}

// Lseek finds the next hole, or the next data, from off on; ENXIO at and behind the end.
func (c *content) Lseek(off int64, hole bool) (int64, error) { return c.stage.Lseek(off, hole) }
