package outbox

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/s3share/s3share/s3backend"
)

const (
	movePrefix = "move-"
	opMove     = "move"
	// copies is how many objects are copied at once.
	copies = 32
)

// Move is one object that gets another key: over is what it replaces there, without
// an ETag for nothing.
type Move struct {
	From s3backend.Object
	To   string
	Over s3backend.Object
}

// moveRecord is a Move in the journal.
type moveRecord struct {
	From version  `json:"from"`
	To   string   `json:"to"`
	Over *version `json:"over,omitempty"`
}

// StayedError says which objects of a Move keep their keys, since S3 refuses to copy them
// for what they are. All others have moved.
type StayedError struct {
	Keys []string
	Err  error // the refusal of the first of them
}

func (e *StayedError) Error() string {
	if len(e.Keys) == 1 {
		return e.Err.Error()
	}
	return fmt.Sprintf("%v (so are %d others)", e.Err, len(e.Keys)-1)
}

// Unwrap is the refusal.
func (e *StayedError) Unwrap() error { return e.Err }

// staysBehind reports whether a copy is refused for what its source is, so that others may
// be granted: it is archived, or its tags, its encryption or a condition on it forbid it.
func staysBehind(err error) bool {
	return isKind(err, s3backend.Archived) || isKind(err, s3backend.CustomerKey) ||
		errors.Is(err, s3backend.ErrTagsRefused) || errors.Is(err, s3backend.ErrSourceRefused)
}

// Move copies objects on the server and then owes the removal of the originals, so
// that each is whole under one name at least at any moment. It returns the copies,
// and tells of them before any original can be gone, if copied is not nil.
// On the first failure it takes the copies back, and nothing has changed, unless S3
// refuses some of several objects for what they are: then the error is a *StayedError,
// and their copies have no key. Should this process end, a later one goes on.
func (o *Outbox) Move(ctx context.Context, moves []Move, copied func(made []s3backend.Object)) ([]s3backend.Object, error) {
	log := filepath.Join(o.cfg.Dir, fmt.Sprintf("%s%s%s", movePrefix, filepath.Base(o.newPath()), logSuffix))
	rec := record{Op: opMove}
	for _, m := range moves {
		rec.Moves = append(rec.Moves, moveRecord{*versionOf(m.From), m.To, versionOf(m.Over)})
	}
	if err := appendLog(log, rec); err != nil {
		removeLog(log)
		return nil, err
	}
	failpoint("move begun")
	made := make([]s3backend.Object, len(moves))
	stayed := make([]error, len(moves))
	unsure := make([]bool, len(moves)) // whether S3 has copied what it did not confirm
	var mu sync.Mutex
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(copies)
	for i, m := range moves {
		g.Go(func() error {
			obj, err := o.bucket.Copy(gctx, m.From, m.To, nil, condition(m.Over))
			if isKind(err, s3backend.Stale) || err != nil && passing(err) {
				// Its answer may have been lost, or that of the client's first try.
				if there, ok := o.copied(gctx, m.From, m.To); ok {
					obj, err = there, nil
				}
			}
			if err != nil {
				err = fmt.Errorf("copying %q: %w", m.From.Key, err)
				mu.Lock()
				defer mu.Unlock()
				if staysBehind(err) {
					stayed[i] = err
					return nil
				}
				unsure[i] = passing(err)
				return err
			}
			failpoint("move copied")
			obj.Key, obj.Size = m.To, m.From.Size
			mu.Lock()
			made[i] = obj
			mu.Unlock()
			return nil
		})
	}
	err := g.Wait()
	left := leftBehind(moves, stayed)
	if err == nil && left != nil && len(left.Keys) == len(moves) {
		err = left.Err
	}
	if err != nil {
		for i, m := range moves {
			if unsure[i] {
				made[i], _ = o.copied(o.ctx, m.From, m.To)
			}
		}
		o.takeBack(made, moves)
		o.endMove(log)
		return nil, err
	}
	if copied != nil {
		copied(made)
	}
	for i, m := range moves {
		if stayed[i] == nil {
			o.moved(m.From.Key, m.To)
			o.removeVersion(m.From)
		}
	}
	failpoint("move done")
	o.endMove(log)
	if left != nil {
		return made, left
	}
	return made, nil
}

// leftBehind gathers the objects of a move that stay, nil for none.
func leftBehind(moves []Move, stayed []error) *StayedError {
	var left *StayedError
	for i, err := range stayed {
		if err == nil {
			continue
		}
		if left == nil {
			left = &StayedError{Err: err}
		}
		left.Keys = append(left.Keys, moves[i].From.Key)
	}
	return left
}

// endMove ends the journal of a move, once the removals that it led to are on the disk.
func (o *Outbox) endMove(log string) {
	if err := o.removals.sync(); err != nil {
		o.log.Warn("after a power loss a file would be under its old name too", "err", err)
	}
	removeLog(log)
	o.endedOnDisk()
}

// MoveBeside is Move of one object to a key that the other party has taken: theirs
// stays, and ours goes beside it as any conflict copy does.
func (o *Outbox) MoveBeside(ctx context.Context, from s3backend.Object, theirs string, copied func(made []s3backend.Object)) error {
	beside := o.conflictKey(theirs)
	if _, err := o.Move(ctx, []Move{{From: from, To: beside}}, copied); err != nil {
		return err
	}
	o.log.Warn("conflict: the other party has taken the name; ours goes beside it", "key", theirs, "ours", beside)
	o.keepConflict(Status{Key: beside, State: Conflict, Size: from.Size, Since: time.Now(), Theirs: theirs})
	o.wake()
	return nil
}

// copied tells whether to holds a copy of the version from, and which object that
// is. When in doubt it is none: the original stays then.
func (o *Outbox) copied(ctx context.Context, from s3backend.Object, to string) (s3backend.Object, bool) {
	there, err := o.current(ctx, to)
	if err != nil || there.ETag == "" || there.Size != from.Size {
		return s3backend.Object{}, false
	}
	if there.ETag == from.ETag {
		return there, true
	}
	// A copy of what was uploaded by parts has another ETag.
	now, err := o.current(ctx, from.Key)
	if err != nil || now.ETag != from.ETag || !sameMtime(now.Header, there.Header) {
		return s3backend.Object{}, false
	}
	return there, true
}

// takeBack removes the copies of a move that failed. One that replaced something
// stays: what it replaced is gone, and the original is still there beside it.
func (o *Outbox) takeBack(made []s3backend.Object, moves []Move) {
	for i, obj := range made {
		if obj.ETag != "" && moves[i].Over.ETag == "" {
			o.removeVersion(obj)
		}
	}
}

// recoverMove reads a move of an earlier process, for Resume to go on with.
func (o *Outbox) recoverMove(log string) error {
	recs, err := readLog(log)
	if err != nil || len(recs) == 0 {
		return err
	}
	o.mu.Lock()
	for _, m := range recs[0].Moves {
		o.moving[m.From.Key] = Status{Key: m.From.Key, State: Removing, Size: m.From.Size, Reason: "being renamed to " + m.To, Since: time.Now()}
	}
	o.mu.Unlock()
	o.resumed = append(o.resumed, func() {
		for _, m := range recs[0].Moves {
			for try := 0; ; try++ {
				err := o.redo(m)
				if err == nil {
					break
				}
				if !passing(err) {
					o.log.Warn("a rename was not completed: the file keeps its old name", "key", m.From.Key, "err", err)
					break
				}
				if sleep(o.ctx, backoff(try)) != nil {
					return // the next process goes on
				}
			}
			o.mu.Lock()
			delete(o.moving, m.From.Key)
			o.mu.Unlock()
		}
		o.endMove(log)
		o.wake()
	})
	return nil
}

// redo completes one object's move, wherever it stopped.
func (o *Outbox) redo(m moveRecord) error {
	err := o.redoOnce(m)
	if isKind(err, s3backend.Stale) {
		// The earlier process's copy may have been on its way, and have come since.
		err = o.redoOnce(m)
	}
	return err
}

func (o *Outbox) redoOnce(m moveRecord) error {
	there, err := o.current(o.ctx, m.To)
	if err != nil {
		return err
	}
	if there.ETag == "" || m.Over != nil && there.ETag == m.Over.ETag {
		_, err := o.bucket.Copy(o.ctx, m.From.object(), m.To, nil, condition(m.Over.object()))
		if errors.Is(err, s3backend.NotExist) {
			return nil // neither the one nor the other: removed since
		}
		if err != nil {
			return err
		}
	} else if _, ours := o.copied(o.ctx, m.From.object(), m.To); !ours {
		if now, err := o.current(o.ctx, m.From.Key); err != nil || now.ETag != m.From.ETag {
			return err // the original was removed or replaced: there is no more to do
		}
		return s3backend.Stale // the other party's: it stays, and so does ours
	}
	o.removeVersion(m.From.object())
	return nil
}
