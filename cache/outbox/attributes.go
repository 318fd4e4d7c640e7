package outbox

import (
	"time"

	"github.com/s3share/s3share/cache/outbox/journal"
)

// SetMtime sets the time of the last change, which is delivered with the file. The caller holds the
// item, as for SetMode. After an error, which is the local disk's, the time is what it was.
func (c *content) SetMtime(t time.Time) error {
	return c.changeAttributes(nil, func(a *attributes) { a.mtime = t })
}

// SetMode sets the permission bits, which are delivered with the file. After an error, which is
// the local disk's, they are what they were.
func (c *content) SetMode(mode uint32) error {
	return c.changeAttributes([]journal.Record{{Op: journal.OpMode, Mode: &mode}},
		func(a *attributes) { a.mode, a.hasMode = mode, true })
}

// changeAttributes has change change the attributes, once the journal has them. A content that is
// whole stays so, also if a program has the file open and has not written to it: a later process
// delivers it with the new attributes. Of any other content the journal gets open.
func (c *content) changeAttributes(open []journal.Record, change func(*attributes)) error {
	synced, err := c.changeAttributesAlone(open, change)
	if err == nil && synced {
		c.syncSeal()
	}
	return err
}

// changeAttributesAlone is changeAttributes, during which nobody writes. It reports whether the
// seal has to be on the disk as well.
func (c *content) changeAttributesAlone(open []journal.Record,
	change func(*attributes)) (synced bool, err error) {
	c.changing.Lock()
	defer c.changing.Unlock()
	now := c.attributes()
	change(&now)
	now.explicit = true
	now.seq++
	sealed := c.isSealed()
	// A file that was closed, and could not be sealed, has no writer whose next close seals it.
	if !sealed && !c.sealRefused.Load() && !c.Untouched() {
		if len(open) > 0 {
			err = c.log.note(open...)
		}
		if err == nil {
			c.setAttributes(now)
		}
		return false, err
	}
	var first []journal.Record
	if sealed {
		c.recordETags()
		first = append(first, c.openRecord())
	}
	// One step: between a record that the file is open and the seal, a kill would interrupt it.
	if synced, err = c.noteSealAs(now, first...); err == nil {
		c.setAttributes(now)
	}
	return synced, err
}

// attributes are those of an item that SetMtime and SetMode change.
type attributes struct {
	mtime    time.Time
	mode     uint32
	hasMode  bool
	explicit bool
	seq      uint64 // the stage's count of changes, these among them
}

func (s *sealing) attributes() attributes {
	seq := s.seq()
	_, mtime := s.stage.Stat()
	t := s.object.target()
	return attributes{mtime, t.mode, t.hasMode, t.explicit, seq}
}

func (c *content) setAttributes(a attributes) {
	c.object.changeTarget(func(t *target) {
		t.mode, t.hasMode, t.explicit = a.mode, a.hasMode, a.explicit
	})
	c.stage.SetMtime(a.mtime)
}
