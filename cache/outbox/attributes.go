package outbox

import (
	"time"

	"github.com/s3share/s3share/cache/outbox/journal"
)

// SetMtime sets the time of the last change, which is delivered with the file. The caller holds the
// item, as for SetMode. After an error, which is the local disk's, the time is what it was.
func (it *Item) SetMtime(t time.Time) error {
	return it.changeAttributes(nil, func() {
		it.changeTarget(func(now *target) { now.explicit = true })
		it.stage.SetMtime(t)
	})
}

// SetMode sets the permission bits, which are delivered with the file. After an error, which is
// the local disk's, they are what they were.
func (it *Item) SetMode(mode uint32) error {
	return it.changeAttributes([]journal.Record{{Op: journal.OpMode, Mode: &mode}}, func() {
		it.changeTarget(func(t *target) {
			t.setMode(mode)
			t.explicit = true
		})
		it.stage.MarkChanged()
	})
}

// changeAttributes calls set, which changes attributes. A content that is whole stays so, also if a
// program has the file open and has not written to it: a later process delivers it with the new
// attributes. Of any other content the journal gets open.
func (it *Item) changeAttributes(open []journal.Record, set func()) error {
	synced, err := it.changeAttributesAlone(open, set)
	if err == nil && synced {
		it.syncSeal()
	}
	return err
}

// changeAttributesAlone is changeAttributes, during which nobody writes. It reports whether the
// seal has to be on the disk as well.
func (it *Item) changeAttributesAlone(open []journal.Record, set func()) (synced bool, err error) {
	it.changing.Lock()
	defer it.changing.Unlock()
	sealed := it.log.sealed.Load()
	if !sealed && !it.Untouched() {
		if len(open) > 0 {
			err = it.log.note(open...)
		}
		if err == nil {
			set()
		}
		return false, err
	}
	var first []journal.Record
	if sealed {
		first = append(first, it.openRecord())
	}
	before := it.attributes()
	set()
	// One step: between a record that the file is open and the seal, a kill would interrupt it.
	if synced, err = it.noteSealAlone(first...); err != nil {
		it.restore(before)
	}
	return synced, err
}

// attributes are those of an item that SetMtime and SetMode change.
type attributes struct {
	mtime    time.Time
	mode     uint32
	hasMode  bool
	explicit bool
}

func (it *Item) attributes() attributes {
	mtime := it.stage.Snapshot().Mtime
	t := it.target()
	return attributes{mtime, t.mode, t.hasMode, t.explicit}
}

func (it *Item) restore(a attributes) {
	it.stage.SetMtime(a.mtime)
	it.changeTarget(func(t *target) { t.mode, t.hasMode, t.explicit = a.mode, a.hasMode, a.explicit })
}
