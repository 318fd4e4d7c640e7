package outbox

import (
	"errors"
	"slices"

	"github.com/s3share/s3share/cache/outbox/journal"
)

// integrity is whether the content of a file is all that its writers meant. It is a plain value,
// which Item.mu guards.
type integrity struct {
	interrupted     *interruption // why the file is not for delivery; nil if it is
	writtenBy       writers       // who may be ended by a signal before the file has settled
	checkingWriters bool          // CheckWritersLater is at work
}

// interruption is why a closed file is not delivered: its content may not be all that its writers
// meant.
type interruption struct {
	why error
	// rewrite is set if bytes may be missing anywhere in the file: then only writing it again
	// from nothing completes it. Else its end may be missing, and writing on completes it.
	rewrite bool
	// emptied is set once the file was truncated to nothing: the next write completes it.
	emptied bool
	noted   bool // it is journaled
}

// interruptionOf returns the interruption that a record of a seal or a refused write has; nil for
// none.
func interruptionOf(r journal.Record) *interruption {
	switch {
	case !r.Killed:
		return nil
	case r.Why == "":
		return &interruption{why: errKilled, noted: true}
	}
	return &interruption{why: errors.New(r.Why), rewrite: r.Rewrite, noted: true}
}

// interrupt keeps the file here for in, and reports whether it did: not where it is kept for as
// much already.
func (c *integrity) interrupt(in interruption) bool {
	if was := c.interrupted; was != nil && !was.emptied && (was.rewrite || !in.rewrite) {
		return false
	}
	c.interrupted = &in
	return true
}

// interruptIfKilled interrupts the file if a writer is known to have been killed. A writer that has
// only created the file counts when it is closed: another may write all of its content.
func (c *integrity) interruptIfKilled(closed bool) {
	for _, x := range slices.Clone(c.writtenBy) {
		if x.killed && (closed || !x.begun) {
			c.interrupt(interruption{why: errKilled})
			c.writtenBy.remove(x.by)
		}
	}
}

// completeByWriting ends the interruption of a closed file that is written again, if writing on
// completes it. It reports whether it did.
func (c *integrity) completeByWriting() bool {
	if c.interrupted == nil || c.interrupted.rewrite {
		return false
	}
	c.interrupted = nil
	return true
}

// completeByRewriting ends the interruption if the file was truncated to nothing since. It reports
// whether it did.
func (c *integrity) completeByRewriting() bool {
	if c.interrupted == nil || !c.interrupted.emptied {
		return false
	}
	c.interrupted = nil
	return true
}

// setEmptied records that the file was truncated to nothing.
func (c *integrity) setEmptied() {
	if c.interrupted != nil {
		c.interrupted.emptied = true
	}
}

// setNoted records that the journal has the interruption in, unless another has come since.
func (c *integrity) setNoted(in *interruption) {
	if in != nil && in == c.interrupted {
		in.noted = true
	}
}

// unnoted reports whether the file is interrupted, and the journal does not say so yet.
func (c *integrity) unnoted() bool { return c.interrupted != nil && !c.interrupted.noted }

// record adds the interruption to a record.
func (c *integrity) record(r *journal.Record) {
	in := c.interrupted
	if in == nil {
		return
	}
	r.Killed, r.Rewrite = true, in.rewrite
	if in.why != errKilled {
		r.Why = in.why.Error()
	}
}
