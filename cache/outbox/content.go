package outbox

import (
	"time"

	"github.com/s3share/s3share/cache/outbox/stage"
)

// content is what a pending file holds: staged bytes over the base, their journal, and what of
// them is sent while they are written. Any goroutine may call its methods.
type content struct {
	sealing
	materializing materializing
	uploading     uploading
	edits         bool   // it has a base
	renewed       func() // is called when a write has ended an interruption
}

// setStage sets the staged bytes.
func (c *content) setStage(st *stage.Stage) {
	c.stage, c.log.stage, c.materializing.stage = st, st, st
}

// Edited reports whether anything is staged over the base, or nothing of the base is left.
func (c *content) Edited() bool {
	return c.stage != nil && c.stage.Edited()
}

// Stat returns the file's size, the time of its last change, and its permission bits if they were
// set.
func (c *content) Stat() (size int64, mtime time.Time, mode uint32, hasMode bool) {
	t := c.object.target()
	mode, hasMode = t.shownMode()
	if c.stage == nil {
		return 0, time.Now(), mode, hasMode
	}
	size, mtime = c.stage.Stat()
	return size, mtime, mode, hasMode
}

// WasCommitted reports whether S3 holds the content as it is now, at the item's present key:
// Events.Committed was called for it.
func (c *content) WasCommitted() bool {
	t := c.object.target()
	return t.inS3(c.seq())
}

// isPrivate reports whether the item never leaves the outbox under its name.
func (c *content) isPrivate() bool {
	t := c.object.target()
	return t.isPrivate(c.o.cfg.Private, c.stage != nil && c.stage.Size() == 0)
}

// change calls f, which changes the staged bytes. Every change of the content goes through it:
// after an error that a program gets, the file is not for delivery.
func (c *content) change(f func() error) error {
	c.changing.RLock()
	defer c.changing.RUnlock()
	err := c.beforeWrite()
	if err == nil {
		err = f()
	}
	if err != nil {
		c.Refuse(err)
	}
	return err
}

// beginRewrite ends the interruption of a closed file if writing on completes it.
func (c *content) beginRewrite() {
	if c.completeByWriting() {
		c.renewed()
	}
}

// Renew ends an interruption if the file was truncated to nothing since. A write does the same.
// Renew is for programs that mean the file to be empty.
func (c *content) Renew() {
	if c.completeByRewriting() {
		c.renewed()
	}
}
