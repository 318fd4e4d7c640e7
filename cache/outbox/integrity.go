package outbox

import (
	"errors"
	"slices"
	"sync"

	"github.com/s3share/s3share/cache/outbox/journal"
)

// integrity is whether the content of a file is all that its writers meant: it knows them, and why
// the file is interrupted. Its lock is taken after that of the schedule, and no other is
// taken under it.
type integrity struct {
	o *Outbox

	integrityMu     sync.Mutex    // guards the fields below
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

// Interrupt records that a signal ended a writer. What it wrote may be half of what it meant, and
// is not delivered.
func (c *integrity) Interrupt() { c.interrupt(interruption{why: errKilled}) }

// interrupt keeps the file here for in, and reports whether it did: not where it is kept for as
// much already.
func (c *integrity) interrupt(in interruption) bool {
	c.integrityMu.Lock()
	defer c.integrityMu.Unlock()
	return c.interruptLocked(in)
}

func (c *integrity) interruptLocked(in interruption) bool {
	if was := c.interrupted; was != nil && !was.emptied && (was.rewrite || !in.rewrite) {
		return false
	}
	c.interrupted = &in
	return true
}

// interruptedBy returns why the file is not for delivery, or nil.
func (c *integrity) interruptedBy() error {
	if in := c.interruption(); in != nil {
		return in.why
	}
	return nil
}

// complete ends the interruption because a person wants the file as it is, and returns it.
func (c *integrity) complete() *interruption {
	c.integrityMu.Lock()
	defer c.integrityMu.Unlock()
	was := c.interrupted
	c.interrupted = nil
	return was
}

// restoreInterruption sets the interruption again that complete returned, or a journal has.
func (c *integrity) restoreInterruption(was *interruption) {
	c.integrityMu.Lock()
	defer c.integrityMu.Unlock()
	c.interrupted = was
}

// interruptIfKilled interrupts the file if a writer is known to have been killed. A writer that has
// only created the file counts when it is closed: another may write all of its content.
func (c *integrity) interruptIfKilled(closed bool) {
	c.integrityMu.Lock()
	defer c.integrityMu.Unlock()
	c.interruptIfKilledLocked(closed)
}

func (c *integrity) interruptIfKilledLocked(closed bool) {
	for _, x := range slices.Clone(c.writtenBy) {
		if x.killed && (closed || !x.begun) {
			c.interruptLocked(interruption{why: errKilled})
			c.writtenBy.remove(x.by)
		}
	}
}

// completeByWriting ends the interruption of a closed file that is written again, if writing on
// completes it. It reports whether it did.
func (c *integrity) completeByWriting() bool {
	c.integrityMu.Lock()
	defer c.integrityMu.Unlock()
	if c.interrupted == nil || c.interrupted.rewrite {
		return false
	}
	c.interrupted = nil
	return true
}

// completeByRewriting ends the interruption if the file was truncated to nothing since. It reports
// whether it did.
func (c *integrity) completeByRewriting() bool {
	c.integrityMu.Lock()
	defer c.integrityMu.Unlock()
	if c.interrupted == nil || !c.interrupted.emptied {
		return false
	}
	c.interrupted = nil
	return true
}

// setEmptied records that the file was truncated to nothing.
func (c *integrity) setEmptied() {
	c.integrityMu.Lock()
	defer c.integrityMu.Unlock()
	if c.interrupted != nil {
		c.interrupted.emptied = true
	}
}

// interruption returns why the file is not for delivery, nil if it is.
func (c *integrity) interruption() *interruption {
	c.integrityMu.Lock()
	defer c.integrityMu.Unlock()
	return c.interrupted
}

// setNoted records that the journal has the interruption in, unless another has come since.
func (c *integrity) setNoted(in *interruption) {
	c.integrityMu.Lock()
	defer c.integrityMu.Unlock()
	if in != nil && in == c.interrupted {
		in.noted = true
	}
}

// unnoted reports whether the file is interrupted, and the journal does not say so yet.
func (c *integrity) unnoted() bool {
	c.integrityMu.Lock()
	defer c.integrityMu.Unlock()
	return c.interrupted != nil && !c.interrupted.noted
}

// record adds the interruption to a record.
func (c *integrity) record(r *journal.Record) {
	c.integrityMu.Lock()
	defer c.integrityMu.Unlock()
	in := c.interrupted
	if in == nil {
		return
	}
	r.Killed, r.Rewrite = true, in.rewrite
	if in.why != errKilled {
		r.Why = in.why.Error()
	}
}
