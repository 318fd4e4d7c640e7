package outbox

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
)

// outgrow gives an item that has a place in the tray files of its own: it has grown, or
// its journal has. Killed at any instant, either the place tells all, or the files do.
func (it *Item) outgrow() error {
	it.logMu.Lock()
	defer it.logMu.Unlock()
	return it.outgrowLocked()
}

// outgrowLocked is outgrow. The caller holds logMu.
func (it *Item) outgrowLocked() error {
	p, log := it.place, it.path+logSuffix
	if p == nil {
		return nil
	}
	err := it.stage.file.move(func() error {
		failpoint("staged apart")
		if it.logGone {
			return nil
		}
		lines, err := p.log()
		if err != nil {
			return err
		}
		it.o.spares.become(log)
		if err := appendLines(log, lines); err != nil {
			return errors.Join(err, os.Remove(log))
		}
		return nil
	})
	if err != nil {
		return err
	}
	failpoint("journaled apart")
	it.place = nil
	p.endLog()
	p.give()
	return nil
}

// unpack makes files of all that an earlier process left in the tray, as if it had
// outgrown its places. What cannot be, stays, and is told.
func (o *Outbox) unpack() error {
	left := 0
	for n := range o.tray.Len() {
		p := &place{tray: o.tray, n: n}
		if err := o.unpackOne(p); err != nil {
			left++
			o.log.Error("what is owed cannot be taken up", "place", n, "err", err)
			o.damaged = append(o.damaged, Status{Key: trayName, State: Blocked, Since: lastWrite(filepath.Join(o.cfg.Dir, trayName)), Reason: err.Error()})
		} else {
			o.tray.Give(n)
		}
	}
	if left > 0 {
		return nil
	}
	return o.tray.Clear()
}

// unpackOne makes files of what is in a place, which is empty then.
func (o *Outbox) unpackOne(p *place) error {
	lines, err := p.log()
	if err != nil || len(lines) == 0 {
		return err
	}
	p.logs = len(lines)
	recs, _, _ := scanLines(bytes.NewReader(lines), "")
	path, size := o.newPath(), int64(placeRoom) // where not even its name can be read
	if len(recs) > 0 && stagedName.MatchString(recs[0].Name) {
		path, size = filepath.Join(o.cfg.Dir, recs[0].Name), stagedSize(recs)
	}
	log := path + logSuffix
	if info, err := os.Stat(log); err != nil || info.Size() < int64(len(lines)) {
		b := &staged{place: p, path: path, size: size}
		err := b.move(func() error { return os.WriteFile(log, lines, 0o600) })
		if err != nil {
			return err
		}
	} // else it was killed when only this was missing
	return p.endLog()
}

// stagedSize is how many bytes the journal of a new file tells of.
func stagedSize(recs []record) int64 {
	it, st := new(Item), new(stage)
	for _, r := range recs {
		it.replay(st, r)
	}
	return min(st.size, placeRoom)
}
