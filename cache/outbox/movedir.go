package outbox

import (
	"context"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/s3backend"
)

// DirMove is the rename of a directory.
type DirMove = journal.DirMove

// MoveDir is Move of the objects below a directory, in one operation with the rename of what is
// pending there. copied does the latter, when all objects have been copied. If this process ends at
// any moment, a later one does both. The caller has called Halt, and creates the markers anew.
func (o *Outbox) MoveDir(ctx context.Context, dir DirMove, moves []Move,
	copied func(made []s3backend.Object) error) error {
	m, err := o.beginMove(ctx, moves, &dir)
	if err != nil {
		return err
	}
	return m.run(ctx, copied)
}

// Halt keeps everything below prefix from being delivered until resume is called, and waits until
// no delivery below it is in flight. What takes long is canceled.
func (o *Outbox) Halt(ctx context.Context, prefix string) (resume func(), err error) {
	resume = o.Admission.halt(prefix)
	var g errgroup.Group
	for _, it := range o.Items() {
		if !strings.HasPrefix(it.Key(), prefix) {
			continue
		}
		g.Go(func() error {
			return it.schedule.awaitDelivery(ctx)
		})
	}
	if err := g.Wait(); err != nil {
		resume()
		return nil, err
	}
	return resume, nil
}

// recoverDir renames what is pending below a directory that an earlier process was renaming, and
// creates its markers anew. It returns the items of those.
func (o *Outbox) recoverDir(rec *recoveredRename, items []*Item) (made []*Item, err error) {
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
		o.removals.add(&removal{obj: s3backend.Object{Key: key}, conditional: true})
	}
	return made, nil
}

// ReplaceCopy records that made is a copy of old at the item's new key, and that old is about to be
// removed. The commit replaces the copy, and what the item lies over is copied here. The caller
// holds the item.
func (it *Item) ReplaceCopy(ctx context.Context, old, made s3backend.Object) error {
	if err := it.materializeAll(ctx); err != nil {
		return err
	}
	t := it.target()
	leave := t.obsoleteNotAt(old.Key)
	rec := renamed(t.key, made, leave, t.ambiguous)
	if err := it.log.note(rec); err != nil {
		return err
	}
	it.changeTarget(func(t *target) { t.over, t.obsolete = made, leave })
	return nil
}
