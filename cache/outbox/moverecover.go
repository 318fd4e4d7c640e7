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
	o           *Outbox
	journalPath string
	dir         *DirMove        // nil for a file; for one that is undone, the way back
	moves       []recoveredMove // to be completed
	undone      []recoveredMove // to be undone, since the rename had failed
	failed      bool            // the directory could not be renamed: the next process tries again
}

// recoveredMove is one object of it.
type recoveredMove struct {
	journal.Move
	displaced *Item // the item that Displaced names, recovered and held; nil for none
}

// readRename reads the journal of a rename of an earlier process; nil if it is empty.
func readRename(o *Outbox, log string) (*recoveredRename, error) {
	recs, err := journal.Read(log)
	if err != nil || len(recs) == 0 {
		return nil, err
	}
	rec := &recoveredRename{o: o, journalPath: log, dir: recs[0].Dir}
	begun := make([]recoveredMove, len(recs[0].Moves))
	for i, m := range recs[0].Moves {
		begun[i].Move = m
	}
	if recs[len(recs)-1].Op == journal.OpTakeBack {
		rec.undone = begun
		if rec.dir != nil {
			rec.dir = &DirMove{From: rec.dir.To, To: rec.dir.From}
		}
		return rec, nil
	}
	rec.moves = begun
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, m := range rec.moves {
		o.moving[m.From.Key] = Status{Key: m.From.Key, State: Removing, Size: m.From.Size,
			Reason: "being renamed to " + m.To, Since: time.Now()}
	}
	return rec, nil
}

// run completes the rename, or undoes it. What it has not done when the outbox is closed, the next
// process does.
func (rec *recoveredRename) run() {
	do, moves := rec.redo, rec.moves
	if rec.undone != nil {
		do, moves = rec.undo, rec.undone
	}
	for i := range moves {
		if !rec.runOne(&moves[i], do) {
			return
		}
	}
	if rec.dir == nil || !rec.failed {
		rec.o.endMove(rec.journalPath)
	}
	rec.o.removals.journalEnded(rec, rec.originals())
	rec.o.waiters.wake()
}

// runOne has do move one object, until S3 has answered. It reports false if the outbox was closed
// before.
func (rec *recoveredRename) runOne(m *recoveredMove, do func(*recoveredMove) error) bool {
	o := rec.o
	for try := 0; ; try++ {
		if o.Admission.awaitUnsuspended(o.ctx) != nil {
			return false
		}
		err := do(m)
		if err != nil && !isTransient(err) {
			o.log.Warn("a rename was not completed: the file keeps its old name", "key", m.From.Key,
				"err", err)
		}
		if err == nil || !isTransient(err) {
			break
		}
		if o.Admission.pause(o.ctx, backoff(try)) != nil {
			return false
		}
	}
	o.mu.Lock()
	delete(o.moving, m.From.Key)
	o.mu.Unlock()
	if m.displaced != nil { // the move was not made
		m.displaced.Release()
	}
	return true
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

// renamePending renames what is pending below a directory, and creates its markers anew. It returns
// the items of those.
func (rec *recoveredRename) renamePending(items []*Item) (made []*Item, err error) {
	o := rec.o
	over := map[string]*Item{} // by the key of what they replace
	taken := map[string]bool{}
	for _, it := range items {
		taken[it.Key()] = true
	}
	for _, it := range items {
		key, below := rec.dir.Rename(it.Key())
		switch {
		case !below:
		case it.folder && taken[key]:
			it.Drop() // it was made anew already
		default:
			if v := it.Over(); v.ETag != "" {
				over[v.Key] = it
			}
			if err := it.Rename(key, s3backend.Object{}, nil); err != nil {
				return made, err
			}
			taken[key] = true
		}
	}
	// What an item replaces is not moved: it is removed when the item is delivered.
	moves := rec.moves[:0]
	for _, m := range rec.moves {
		if it := over[m.From.Key]; it == nil || !it.copiedIfObsolete(m.From.Object()) {
			moves = append(moves, m)
		}
	}
	rec.moves = moves
	for _, key := range rec.dir.Markers {
		to, _ := rec.dir.Rename(key)
		if !taken[to] {
			it, err := o.CreateFolder(to)
			if err != nil {
				return made, err
			}
			it.schedule.writers = 0
			made = append(made, it)
		}
		o.removals.addVersion(s3backend.Object{Key: key})
	}
	return made, nil
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
func (r *removals) keepOriginals(rec *recoveredRename) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range rec.moves {
		if t := r.pending[m.From.Key]; t != nil && t.obj.ETag == m.From.ETag {
			t.neededBy = rec
		}
	}
}

// redo completes the move of one object, wherever it stopped.
func (rec *recoveredRename) redo(m *recoveredMove) error {
	err := rec.redoOnce(m)
	if isKind(err, s3backend.Stale) {
		// The earlier process's copy may have been on its way, and have come since.
		err = rec.redoOnce(m)
	}
	return err
}

func (rec *recoveredRename) redoOnce(m *recoveredMove) error {
	o := rec.o
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
	o.removals.add(&removal{obj: m.From.Object(), conditional: true, neededBy: rec})
	return nil
}

// undo undoes the move of one object that had failed.
func (rec *recoveredRename) undo(m *recoveredMove) error {
	o := rec.o
	now, err := o.current(o.ctx, m.From.Key)
	if err != nil || now.ETag != m.From.ETag {
		return err // the copy may be all that is left
	}
	there, ours := o.findCopy(o.ctx, m.From.Object(), m.To, true)
	if ours && (m.Over == nil || m.Freed) {
		there.Key = m.To
		o.removals.addVersion(there)
	}
	return nil
}
