package outbox

import (
	"errors"
	"path/filepath"
	"time"

	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/s3backend"
)

// recoveredRename is a rename of a file or directory that an earlier process had begun.
type recoveredRename struct {
	dir    *DirMove // nil for a file
	moves  []recoveredMove
	failed bool // the directory could not be renamed: the next process tries again
}

// recoveredMove is one object of it.
type recoveredMove struct {
	journal.Move
	displaced *Item // the item that Displaced names, recovered and held; nil for none
}

// recoverMove reads the journal of a rename of an earlier process, for Resume to go on with, and
// returns it. If the rename had failed, it is undone, and has no moves.
func (o *Outbox) recoverMove(log string) (*recoveredRename, error) {
	recs, err := journal.Read(log)
	if err != nil || len(recs) == 0 {
		return nil, err
	}
	rec, back := &recoveredRename{dir: recs[0].Dir}, recs[len(recs)-1].Op == journal.OpTakeBack
	if back && rec.dir != nil {
		rec.dir = &DirMove{From: rec.dir.To, To: rec.dir.From}
	}
	begun := make([]recoveredMove, len(recs[0].Moves))
	for i, m := range recs[0].Moves {
		begun[i].Move = m
	}
	if !back {
		rec.moves = begun
	}
	o.mu.Lock()
	for _, m := range rec.moves {
		o.moving[m.From.Key] = Status{Key: m.From.Key, State: Removing, Size: m.From.Size,
			Reason: "being renamed to " + m.To, Since: time.Now()}
	}
	o.mu.Unlock()
	o.onResume = append(o.onResume, func() {
		do, moves := func(m *recoveredMove) error { return o.redo(m, rec) }, rec.moves
		if back {
			do, moves = o.undo, begun
		}
		for i := range moves {
			m := &moves[i]
			for try := 0; ; try++ {
				if o.Admission.awaitUnsuspended(o.ctx) != nil {
					return // the next process goes on
				}
				err := do(m)
				if err == nil {
					break
				}
				if !isTransient(err) {
					o.log.Warn("a rename was not completed: the file keeps its old name", "key", m.From.Key,
						"err", err)
					break
				}
				if o.Admission.pause(o.ctx, backoff(try)) != nil {
					return // the next process goes on
				}
			}
			o.mu.Lock()
			delete(o.moving, m.From.Key)
			o.mu.Unlock()
			if m.displaced != nil { // the move was not made
				m.displaced.Release()
			}
		}
		if rec.dir == nil || !rec.failed {
			o.endMove(log)
		}
		o.removals.journalEnded(rec, rec.originals())
		o.waiters.wake()
	})
	return rec, nil
}

// holdDisplaced holds the items that moves of an earlier process were to replace, so that
// they are not delivered before those moves are completed.
func holdDisplaced(items []*Item, moves []*recoveredRename) {
	byName := map[string]*Item{}
	for _, it := range items {
		byName[filepath.Base(it.path)] = it
	}
	for _, rec := range moves {
		for i := range rec.moves {
			m := &rec.moves[i]
			if it := byName[m.Displaced]; it != nil && it.Key() == m.To {
				it.schedule.writers++
				m.displaced = it
			}
		}
	}
}

// endSuperseded ends the journal of an item that a move has replaced. Its obsolete versions are
// queued for removal. The caller holds the item.
func (it *Item) endSuperseded() {
	it.NameTaken()
	removeObsolete := it.noteObsolete()
	it.log.end()
	removeObsolete()
}

// supersede ends an item that was held for a move, when the move has put there at its key. If the
// item was opened for writing since, it stays, and its commit replaces there.
func (it *Item) supersede(there s3backend.Object) {
	it.clearAmbiguous(there.Key)
	if !it.schedule.isLastHold() {
		it.changeTarget(func(t *target) { t.over = there })
		it.Release()
		return
	}
	it.mayDiffer.Store(true)
	it.finish(there)
}

// originals returns the keys of what is renamed.
func (rec *recoveredRename) originals() (keys []string) {
	for _, m := range rec.moves {
		keys = append(keys, m.From.Key)
	}
	return keys
}

// keepOriginals puts off the removals of what is renamed: what is known of an original is noted for
// its copy, and forgotten with its removal.
func (o *Outbox) keepOriginals(rec *recoveredRename) {
	o.removals.mu.Lock()
	defer o.removals.mu.Unlock()
	for _, m := range rec.moves {
		if t := o.removals.pending[m.From.Key]; t != nil && t.obj.ETag == m.From.ETag {
			t.neededBy = rec
		}
	}
}

// redo completes the move of one object, wherever it stopped.
func (o *Outbox) redo(m *recoveredMove, of *recoveredRename) error {
	err := o.redoOnce(m, of)
	if isKind(err, s3backend.Stale) {
		// The earlier process's copy may have been on its way, and have come since.
		err = o.redoOnce(m, of)
	}
	return err
}

func (o *Outbox) redoOnce(m *recoveredMove, of *recoveredRename) error {
	there, err := o.current(o.ctx, m.To)
	if err != nil {
		return err
	}
	if there.ETag == "" || m.Over != nil && there.ETag == m.Over.ETag {
		made, err := o.bucket.Copy(o.ctx, m.From.Object(), m.To, nil, s3backend.Replacing(there))
		if errors.Is(err, s3backend.NotExist) {
			return nil // neither the one nor the other: removed since
		}
		if err != nil {
			return err
		}
		there = made
	} else if _, ours := o.findCopy(o.ctx, m.From.Object(), m.To, true); !ours {
		if now, err := o.current(o.ctx, m.From.Key); err != nil || now.ETag != m.From.ETag {
			return err // the original was removed or replaced: there is no more to do
		}
		return s3backend.Stale // the other party's: it stays, and so does ours
	}
	if it := m.displaced; it != nil {
		cur, err := o.current(o.ctx, m.To) // for its time and mode
		if err != nil {
			return err
		}
		if there.Modified = time.Now(); cur.ETag == there.ETag {
			there = cur
		}
		there.Key, there.Size = m.To, m.From.Size
		m.displaced = nil
		it.supersede(there)
	}
	there.Key, there.Size = m.To, m.From.Size
	o.events.Moved(m.From.Object(), there)
	o.removals.add(&removal{obj: m.From.Object(), conditional: true, neededBy: of})
	return nil
}

// undo undoes the move of one object that had failed.
func (o *Outbox) undo(m *recoveredMove) error {
	now, err := o.current(o.ctx, m.From.Key)
	if err != nil || now.ETag != m.From.ETag {
		return err // the copy may be all that is left
	}
	there, ours := o.findCopy(o.ctx, m.From.Object(), m.To, true)
	if ours && (m.Over == nil || m.Freed) {
		there.Key = m.To
		o.removeVersion(there)
	}
	return nil
}
