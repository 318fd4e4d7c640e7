package outbox

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/s3backend"
)

const (
	movePrefix = "move-"
	// maxCopies is how many objects are copied at once.
	maxCopies = 32
)

// Move is one object that gets another key. Over is what it replaces there, without an ETag for
// nothing.
type Move struct {
	From s3backend.Object
	To   string
	Over s3backend.Object
	// Displaced is the item that is pending under To, and is not delivered if the move is
	// made; nil for none. The caller holds it, and drops or unnames it afterwards.
	Displaced *Item
}

// moveOperation is moves that are being made. Their journal exists until all is done, or undone.
type moveOperation struct {
	dir             *DirMove // nil for a file
	o               *Outbox
	journalPath     string
	moves           []Move
	names           *nameClaim         // the keys that the objects get
	replacesRemoved []bool             // whether what is replaced had been removed here
	copies          []s3backend.Object // the copies
	ambiguous       []bool             // whether S3 may have made a copy that it did not confirm
	refused         []error            // why S3 refuses to copy an object, for what it is
}

// Move copies objects within the bucket, then queues the removal of the originals, so each is
// complete under at least one key at any time. It returns the copies. copied, if not nil, is called
// with them before any original is removed.
//
// If a copy fails, Move removes the copies and changes nothing. Exception: if S3 refuses only some
// of several objects because of the objects themselves, the others move, the error is a
// *CopyRefusedError, and the results of the refused have an empty Key.
//
// While deliveries are suspended, nothing is copied, and the error is a *SuspendedError. If a
// version is being removed at a new key, the copy replaces it, after any request in flight for it
// has ended. If this process ends, a later one completes the move or undoes it.
func (o *Outbox) Move(ctx context.Context, moves []Move,
	copied func(copies []s3backend.Object)) ([]s3backend.Object, error) {
	m, err := o.beginMove(ctx, moves, nil)
	if err != nil {
		return nil, err
	}
	return m.copies, m.run(ctx, func(copies []s3backend.Object) error {
		if copied != nil {
			copied(copies)
		}
		return nil
	})
}

// run copies, then calls copied, then removes the originals.
func (m *moveOperation) run(ctx context.Context, copied func([]s3backend.Object) error) error {
	defer m.names.release()
	// A canceled copy may still be made by S3; then the object would exist under both names until
	// the recovery.
	err := m.copy(context.WithoutCancel(ctx))
	refused := refusedCopies(m.moves, m.refused)
	if err == nil && refused != nil && len(refused.Keys) == len(m.moves) {
		err = refused.Err
	}
	if err == nil {
		err = copied(m.copies)
	}
	if err != nil {
		m.takeBack()
		return err
	}
	m.finish(refused)
	if refused != nil {
		return refused
	}
	return nil
}

// beginMove takes the new names and writes the journal.
func (o *Outbox) beginMove(ctx context.Context, moves []Move,
	dir *DirMove) (*moveOperation, error) {
	if err := o.Admission.Suspension(); err != nil && len(moves) > 0 {
		return nil, err
	}
	m := &moveOperation{o: o, dir: dir, moves: make([]Move, len(moves)),
		replacesRemoved: make([]bool, len(moves)),
		copies:          make([]s3backend.Object, len(moves)), ambiguous: make([]bool, len(moves)),
		refused: make([]error, len(moves))}
	m.journalPath = filepath.Join(o.cfg.Dir,
		movePrefix+filepath.Base(o.journals.newPath())+journal.Suffix)
	copy(m.moves, moves)
	keys := make([]string, len(moves))
	for i := range moves {
		keys[i] = moves[i].To
	}
	if err := o.journals.unended.endAt(keys...); err != nil {
		return nil, err
	}
	var err error
	if m.names, err = o.removals.claim(ctx, keys); err != nil {
		return nil, err
	}
	rec := journal.Record{Op: journal.OpMove, Dir: dir}
	for i := range m.moves {
		mv := &m.moves[i]
		if mv.Over, m.replacesRemoved[i], err = m.names.replaces(ctx, mv.To, mv.Over); err != nil {
			m.names.release()
			return nil, err
		}
		r := journal.Move{From: *journal.VersionOf(mv.From),
			To: mv.To, Over: journal.VersionOf(mv.Over),
			Freed: m.replacesRemoved[i]}
		if mv.Displaced != nil {
			r.Displaced = filepath.Base(mv.Displaced.path)
		}
		rec.Moves = append(rec.Moves, r)
	}
	if err := journal.Append(m.journalPath, rec); err != nil {
		journal.Remove(m.journalPath)
		m.names.release()
		return nil, err
	}
	failpoint("move begun")
	return m, nil
}

// copy copies all objects, or returns why one could not be copied. No copy is canceled because
// another has failed: S3 might carry it out all the same.
func (m *moveOperation) copy(ctx context.Context) error {
	var failed atomic.Bool
	var g errgroup.Group
	g.SetLimit(maxCopies)
	for i := range m.moves {
		g.Go(func() error {
			if failed.Load() {
				return nil // the error is that of another
			}
			err := m.copyOne(ctx, i)
			if err != nil {
				if isSourceRefused(err) {
					m.refused[i] = err
					return nil
				}
				failed.Store(true)
			}
			return err
		})
	}
	return g.Wait()
}

func (m *moveOperation) copyOne(ctx context.Context, i int) error {
	mv, over := m.moves[i], m.moves[i].Over
	obj, err := m.o.bucket.Copy(ctx, mv.From, mv.To, nil, s3backend.Replacing(over))
	if err != nil && m.replacesNothing(ctx, i, err) {
		over = s3backend.Object{}
		obj, err = m.o.bucket.Copy(ctx, mv.From, mv.To, nil, s3backend.Replacing(over))
	}
	if mayBeBlocked(err) && m.o.removals.awaitUnblocked(ctx, mv.To) {
		obj, err = m.o.bucket.Copy(ctx, mv.From, mv.To, nil, s3backend.Replacing(over))
	}
	if s3backend.Ambiguous(err) || isKind(err, s3backend.Stale) {
		if there, ok := m.o.findCopy(ctx, mv.From, mv.To, s3backend.Ambiguous(err)); ok {
			obj, err = there, nil
		}
	}
	if err != nil {
		m.ambiguous[i] = s3backend.Ambiguous(err)
		return fmt.Errorf("copying %q: %w", mv.From.Key, err)
	}
	failpoint("move copied")
	obj.Key, obj.Size = mv.To, mv.From.Size
	m.copies[i] = obj
	return nil
}

// replacesNothing reports whether a copy was refused because S3 has deleted what it was to replace:
// that was being removed here, and the reply to the removal was lost.
func (m *moveOperation) replacesNothing(ctx context.Context, i int, refused error) bool {
	if !m.replacesRemoved[i] ||
		!isKind(refused, s3backend.Stale) && !isKind(refused, s3backend.NotExist) {
		return false
	}
	there, err := m.o.current(ctx, m.moves[i].To)
	return err == nil && there.ETag == ""
}

// finish queues the removal of the originals, ends displaced items, removes directory markers, and
// then ends the journal.
func (m *moveOperation) finish(refused *CopyRefusedError) {
	var moved []string
	for i, mv := range m.moves {
		if m.refused[i] != nil {
			continue
		}
		if mv.Displaced != nil {
			mv.Displaced.endSuperseded()
		}
		m.o.conflicts.rename(mv.From.Key, mv.To)
		m.o.notRemoved.drop(mv.From.Key)
		m.o.notRemoved.drop(mv.To)
		m.o.ambiguous.clear(mv.To)
		m.o.removals.add(&removal{obj: mv.From, conditional: true, neededBy: m})
		moved = append(moved, mv.From.Key)
		m.names.cancel(mv.To)
	}
	if m.dir != nil {
		for _, key := range m.dir.Markers {
			if !refused.below(key) {
				m.o.MustRemove(s3backend.Object{Key: key})
			}
		}
	}
	failpoint("move done")
	m.o.endMove(m.journalPath)
	m.o.removals.journalEnded(m, moved)
}

// takeBack removes the copies of a failed move. A copy that overwrote a visible version is kept:
// that version is gone, and the original still has its own key.
func (m *moveOperation) takeBack() {
	for i, mv := range m.moves {
		if m.ambiguous[i] {
			m.copies[i], _ = m.o.findCopy(m.o.ctx, mv.From, mv.To, true)
		}
	}
	if err := journal.Append(m.journalPath, journal.Record{Op: journal.OpTakeBack}); err != nil {
		m.o.log.Error("after the end of this process a rename that failed would be made",
			"err", err)
	}
	failpoint("move taken back")
	for i, mv := range m.moves {
		if m.copies[i].ETag != "" && (mv.Over.ETag == "" || m.replacesRemoved[i]) {
			m.copies[i].Key = mv.To
			m.o.removals.addVersion(m.copies[i])
		}
	}
	m.o.endMove(m.journalPath)
}

// endMove ends the journal of a move, once the removals that it led to are on the disk.
func (o *Outbox) endMove(log string) {
	if err := o.removals.sync(); err != nil {
		o.log.Warn("after a power loss a file would be under its old name too", "err", err)
	}
	journal.Remove(log)
	o.journals.endedOnDisk()
}

// MoveToConflict is Move of one object to a key that the other party has taken: theirs
// stays, and ours becomes a conflict copy.
func (o *Outbox) MoveToConflict(ctx context.Context, from s3backend.Object, theirs string,
	copied func(copies []s3backend.Object)) error {
	ours := o.conflictKey(theirs)
	if _, err := o.Move(ctx, []Move{{From: from, To: ours}}, copied); err != nil {
		return err
	}
	o.log.Warn("conflict: the other party has taken the name; ours becomes a conflict copy",
		"key", theirs, "ours", ours)
	o.conflicts.add(Status{Key: ours, State: Conflict, Size: from.Size, Since: time.Now(),
		Theirs: theirs})
	o.waiters.wake()
	return nil
}

// findCopy looks for a copy of from at the key to after a failed request. The same ETag counts only
// if the outcome is ambiguous, since the reply was lost. The same commit ID, which a copy has of
// its original, counts always, since a proxy may have sent the request twice. Size and time are no
// proof: two parties may have unpacked the same archive. If in doubt it reports false, and the
// original stays.
func (o *Outbox) findCopy(ctx context.Context, from s3backend.Object, to string,
	ambiguous bool) (s3backend.Object, bool) {
	there, err := o.current(ctx, to)
	if err != nil || there.ETag == "" || there.Size != from.Size {
		return s3backend.Object{}, false
	}
	if there.ETag == from.ETag && ambiguous {
		return there, true
	}
	// A copy of what was uploaded by parts has another ETag.
	now, err := o.current(ctx, from.Key)
	if err != nil || now.ETag != from.ETag || !SameCommit(now.Header, there.Header) {
		return s3backend.Object{}, false
	}
	return there, true
}
