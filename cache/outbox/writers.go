package outbox

import (
	"slices"
	"time"
)

// Writer is a process that changes a file. Writers are compared by ==.
type Writer interface {
	// Killed reports whether a signal has ended it, as far as that can be known.
	Killed() bool
	// Hold and Release begin and end a use of the writer.
	Hold()
	Release()
}

// maxWriters is how many writers of one file are remembered: those that wrote last.
const maxWriters = 16

// writers are the processes that have changed a file, the last one last.
type writers []writing

// writing is what is remembered of one writer.
type writing struct {
	by     Writer
	begun  bool      // it has made the file, or emptied it, and nobody has written to it since
	closed time.Time // when it closed a descriptor of it; zero if it has written since
	done   bool      // it went on for the settle time after that
	killed bool      // by a signal
}

// add makes w the last writer, and returns those that are not remembered any more. The caller
// releases them.
func (ws *writers) add(w writing) (gone []writing) {
	if n := len(*ws); n > 0 && (*ws)[n-1].by == w.by && !(*ws)[0].begun { // as nearly always
		(*ws)[n-1] = w
		return nil
	}
	w.by.Hold()
	kept := writers{}
	for _, x := range *ws {
		if x.begun && !w.begun || x.by == w.by {
			gone = append(gone, x)
		} else {
			kept = append(kept, x)
		}
	}
	if kept = append(kept, w); len(kept) > maxWriters {
		gone = append(gone, kept[0])
		kept = kept[1:]
	}
	*ws = kept
	return gone
}

// remove forgets a writer.
func (ws *writers) remove(w Writer) {
	if i := ws.index(w); i >= 0 {
		*ws = slices.Delete(*ws, i, i+1)
		w.Release()
	}
}

func (ws writers) index(w Writer) int {
	return slices.IndexFunc(ws, func(x writing) bool { return x.by == w })
}

// clear forgets all writers.
func (ws *writers) clear() {
	for _, x := range *ws {
		x.by.Release()
	}
	*ws = nil
}

// BegunBy records that w has created the file, or truncated it to nothing: what others did before
// does not count any more. w is nil for an unknown process.
func (c *integrity) BegunBy(w Writer) {
	c.integrityMu.Lock()
	defer c.integrityMu.Unlock()
	c.writtenBy.clear()
	if w != nil {
		c.writtenBy.add(writing{by: w, begun: true})
	}
}

// WrittenBy notes that w, if it is not nil, has changed the file.
func (c *integrity) WrittenBy(w Writer) {
	if w == nil {
		return
	}
	c.integrityMu.Lock()
	gone := c.writtenBy.add(writing{by: w})
	c.integrityMu.Unlock()
	for _, x := range gone {
		if !x.begun && x.by != w && !x.done && x.by.Killed() {
			c.Interrupt()
		}
		x.by.Release()
	}
}

// OpenedBy notes that w, if it is not nil, has the file open while somebody unknown changes
// it: the kernel, which writes back what w may have written through a map.
func (c *integrity) OpenedBy(w Writer) {
	c.integrityMu.Lock()
	defer c.integrityMu.Unlock()
	if w != nil && c.writtenBy.index(w) < 0 {
		for _, x := range c.writtenBy.add(writing{by: w, begun: true}) {
			x.by.Release()
		}
	}
}

// ClosedBy records that w has closed a descriptor of the file, because a signal ends it if killed
// is set. It has no effect if w has not changed the file.
func (c *integrity) ClosedBy(w Writer, killed bool) {
	c.integrityMu.Lock()
	defer c.integrityMu.Unlock()
	if i := c.writtenBy.index(w); i >= 0 {
		x := &c.writtenBy[i]
		x.closed, x.done, x.killed = time.Now(), false, killed
		c.interruptIfKilledLocked(false)
	}
}

// checkWriters interrupts the file if a signal has ended one of its writers. A writer that closed
// it the settle time ago, and still runs, is done with it: how it ends does not count any more.
func (c *integrity) checkWriters(closed bool) {
	c.integrityMu.Lock()
	all := slices.Clone(c.writtenBy)
	for _, x := range all {
		x.by.Hold()
	}
	c.integrityMu.Unlock()
	for _, x := range all {
		now := x
		now.killed = !x.done && x.by.Killed()
		now.done = x.done ||
			!now.killed && !x.closed.IsZero() && time.Since(x.closed) >= c.o.cfg.Settle
		c.integrityMu.Lock()
		if i := slices.Index(c.writtenBy, x); i >= 0 { // else it has come back since
			c.writtenBy[i] = now
		}
		c.integrityMu.Unlock()
		x.by.Release()
	}
	c.integrityMu.Lock()
	defer c.integrityMu.Unlock()
	c.interruptIfKilledLocked(closed)
}

// CheckWritersLater asks the writers that have closed the file by now when the settle time is
// over, while others have it open.
func (c *integrity) CheckWritersLater() {
	c.integrityMu.Lock()
	defer c.integrityMu.Unlock()
	if c.checkingWriters || len(c.writtenBy) == 0 {
		return
	}
	c.checkingWriters = true
	c.o.work.Go(func() {
		err := sleep(c.o.ctx, c.o.cfg.Settle)
		c.integrityMu.Lock()
		c.checkingWriters = false
		c.integrityMu.Unlock()
		if err == nil {
			c.checkWriters(false)
		}
	})
}

// clearWriters forgets all writers: how they end does not count any more.
func (c *integrity) clearWriters() {
	c.integrityMu.Lock()
	defer c.integrityMu.Unlock()
	c.writtenBy.clear()
}

// hasWriters reports whether it still counts how a writer ends.
func (c *integrity) hasWriters() bool {
	c.integrityMu.Lock()
	defer c.integrityMu.Unlock()
	return len(c.writtenBy) > 0
}
