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
