package outbox

import (
	"context"
	"slices"
	"time"

	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/s3backend"
)

// deferredRemovalGrace is how long S3 keeps a file that was renamed to a private name, as editors
// do before they save. The new file then replaces it in one request, which needs no right to
// delete. While somebody waits for all deliveries, as before an unmount, it is the settle time.
const deferredRemovalGrace = 30 * time.Second

// KeepPrivate copies all bytes of the version old here, for an item of CreatePrivate. S3 keeps old
// until something else takes its name, or for a while. The caller holds the item.
func (it *Item) KeepPrivate(ctx context.Context, old s3backend.Object) error {
	if err := it.materializeAll(ctx); err != nil {
		return err
	}
	leave := append(slices.Clip(it.target().obsolete), old)
	if err := it.log.note(journal.Record{Op: journal.OpObsolete,
		Obsolete: journal.VersionsOf(leave)}); err != nil {
		return err
	}
	it.changeTarget(func(t *target) { t.obsolete = leave })
	it.deferRemoval()
	it.o.removals.addObsolete(it, old)
	return nil
}

// onlyBegunPrivate reports whether a journal is of a file that was being renamed to a private name
// when its process ended. S3 has all of it under its own name.
func onlyBegunPrivate(recs []journal.Record) bool {
	return recs[0].Aside && !slices.ContainsFunc(recs, func(r journal.Record) bool {
		return r.Op == journal.OpObsolete
	})
}

// deferRemoval has the obsolete versions of a private item removed after a while.
func (it *Item) deferRemoval() {
	begins := false
	if it.o.ctx.Err() == nil {
		it.changeTarget(func(t *target) {
			begins = !t.removalDeferred && t.hasObsolete()
			t.removalDeferred = t.removalDeferred || begins
		})
	}
	if !begins {
		return
	}
	since := time.Now()
	it.o.work.Go(func() {
		// S3 need not keep what has another name here for longer.
		err := it.o.waiters.awaitAge(it.o.ctx, since, deferredRemovalGrace, it.o.cfg.Settle)
		for try := 1; err == nil; try++ {
			failed := it.removeDeferred()
			it.changeTarget(func(t *target) {
				t.deferredErr, t.removalDeferred = failed, failed != nil
			})
			it.o.waiters.wake()
			if failed == nil {
				return
			}
			it.o.log.Warn("S3 keeps the state before of a file that was renamed to a private name",
				"key", it.Key(), "err", failed)
			err = it.o.Admission.pause(it.o.ctx, backoff(try))
		}
	})
}

// deferredRemovals lists the objects that S3 still holds at earlier keys of a private item.
func (it *Item) deferredRemovals() (all []Status) {
	now := it.schedule.now()
	if now.gone || now.unnamed || !it.isPrivate() {
		return nil
	}
	t := it.target()
	for _, obj := range t.obsolete {
		st := Status{Key: obj.Key, State: Removing, Size: obj.Size, Since: now.since}
		if t.deferredErr != nil {
			st.State = Blocked
			st.fail(t.deferredErr)
		}
		all = append(all, st)
	}
	return all
}

// removeDeferred has the obsolete versions of the item removed, if it is still private. Its bytes
// are on the disk before.
func (it *Item) removeDeferred() error {
	if t := it.target(); it.schedule.isGone() || !it.isPrivate() || !t.hasObsolete() {
		return nil
	}
	if it.Open() != nil {
		return nil // dropped meanwhile
	}
	defer it.Close()
	if err := it.materializeAll(it.o.ctx); err != nil {
		return err
	}
	if err := it.Sync(); err != nil {
		return err
	}
	removeObsolete := it.noteObsolete()
	removeObsolete() // what they have is on the disk here
	return it.log.note(journal.Record{Op: journal.OpObsolete})
}
