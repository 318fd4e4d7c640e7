package outbox

import (
	"context"
	"slices"
	"time"

	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/s3backend"
)

// succeed handles that the key still holds what another item, which has got another
// name since, left there: that is no conflict. It reports whether it was so, and the
// next try will do.
func (it *Item) succeed(ctx context.Context, key string, cur s3backend.Object) (bool, error) {
	if cur.ETag == "" {
		return false, nil
	}
	cur.Key = key
	if left := it.o.whoLeft(cur); left != nil && left != it {
		// It may lie over what is about to be replaced.
		if err := left.keepAll(ctx); err != nil {
			return false, err
		}
		it.mu.Lock()
		defer it.mu.Unlock()
		it.over = cur
		return true, nil
	}
	if it.isCopy(ctx, key) {
		it.mu.Lock()
		defer it.mu.Unlock()
		it.over, it.copies = cur, nil
		return true, nil
	}
	if t := it.o.removals.at(key); t != nil && t.means(cur) {
		if err := it.o.removals.awaitFree(ctx, it, key); err != nil {
			return false, err
		}
		it.mu.Lock()
		defer it.mu.Unlock()
		it.over = cur // if it is gone, the next try will tell
		return true, nil
	}
	return false, nil
}

// removeLeft owes the removal of what the item left under its earlier names. Until
// then it is told who left it.
func (it *Item) removeLeft() {
	it.knowLost()
	it.mu.Lock()
	leave, left := it.leave, it.lost
	it.mu.Unlock()
	for _, old := range leave {
		it.o.removeVersion(old)
	}
	for _, l := range left {
		it.o.removals.addLost(l)
	}
	it.mu.Lock()
	it.leave, it.lost = nil, nil // the journal still tells of them
	it.mu.Unlock()
	it.o.mu.Lock()
	defer it.o.mu.Unlock()
	for _, l := range left {
		if items := slices.DeleteFunc(it.o.astray[l.Key], func(at *Item) bool { return at == it }); len(items) > 0 {
			it.o.astray[l.Key] = items
		} else {
			delete(it.o.astray, l.Key)
		}
	}
}

// whoLeft is the item that replaced this version, or made it by an attempt whose
// answer was lost, and was renamed before it was delivered; nil for none.
func (o *Outbox) whoLeft(obj s3backend.Object) *Item {
	for _, it := range o.Items() {
		it.mu.Lock()
		left := slices.ContainsFunc(it.leave, func(v s3backend.Object) bool { return v.Key == obj.Key && v.ETag == obj.ETag }) ||
			slices.ContainsFunc(it.lost, func(l journal.Ambiguous) bool { return l.Key == obj.Key && leftBy(l, obj) })
		it.mu.Unlock()
		if left {
			return it
		}
	}
	return nil
}

// keepAll brings all of the base here, and lets the journal know.
func (it *Item) keepAll(ctx context.Context) error {
	if it.stage == nil || it.stage.Complete() {
		return nil
	}
	if err := it.stage.Open(); err != nil {
		return err
	}
	defer it.stage.Close()
	size := it.stage.Size()
	if err := it.fill(ctx, 0, size); err != nil {
		return err
	}
	it.changing.Lock()
	defer it.changing.Unlock()
	return it.note(it.sealRecord(journal.OpWrite, it.o.boot))
}

// forgetLeave notes that another has taken a key at which the item left a version: it
// is not removed any more.
func (it *Item) forgetLeave(key string) {
	if it == nil {
		return
	}
	it.mu.Lock()
	n := len(it.leave)
	it.leave = slices.DeleteFunc(slices.Clone(it.leave), func(v s3backend.Object) bool { return v.Key == key })
	r := journal.Record{Op: journal.OpObsolete, Obsolete: journal.VersionsOf(it.leave)}
	less := len(it.leave) < n
	it.mu.Unlock()
	if !less {
		return
	}
	if err := it.note(r); err != nil {
		it.o.log.Error("after the end of this process a file may be removed whose name was taken again", "key", key, "err", err)
	}
}

// replaced returns what something replaces that takes the name of what is being
// removed, and sees over there: without an ETag if nothing. Attempts whose answers were
// lost may have left something there as well.
func (t *toRemove) replaced(over s3backend.Object) (s3backend.Object, []journal.Ambiguous) {
	if t == nil {
		return over, nil
	}
	if over.ETag == "" {
		over = t.obj
	}
	left := slices.Clone(t.lost)
	for i := range left {
		left[i].Seq = 0 // another's content
	}
	return over, left
}

// means reports whether this very version is being removed.
func (t *toRemove) means(obj s3backend.Object) bool {
	return t.obj.ETag == obj.ETag || slices.ContainsFunc(t.lost, func(l journal.Ambiguous) bool { return leftBy(l, obj) })
}

// asideGrace is how long S3 keeps a file that was renamed to a private name, as
// editors do with the state before they save: the new file replaces it in one
// request, and needs no right to delete. While somebody waits for all to be delivered,
// before an unmount too, it is the settle time.
const asideGrace = 30 * time.Second

// awaitAside returns when S3 need not keep an object any longer that was set aside at the
// time since: after asideGrace, or after the settle time while somebody waits.
func (o *Outbox) awaitAside(since time.Time) error {
	for {
		o.mu.Lock()
		grace, changed := asideGrace, o.waitersChanged
		if o.waiters > 0 {
			grace = min(grace, o.cfg.Settle)
		}
		o.mu.Unlock()
		t := time.NewTimer(grace - time.Since(since))
		select {
		case <-t.C:
			return nil
		case <-changed:
			t.Stop()
		case <-o.ctx.Done():
			t.Stop()
			return o.ctx.Err()
		}
	}
}

// waits counts a caller of Wait, until done is called.
func (o *Outbox) waits() (done func()) {
	count := func(n int) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.waiters += n
		close(o.waitersChanged)
		o.waitersChanged = make(chan struct{})
	}
	count(1)
	return func() { count(-1) }
}

// SetAside brings all bytes of the version old here, which the item is made of under a
// private name. S3 keeps old until something else takes its name, or for a while. The
// caller holds the item.
func (it *Item) SetAside(ctx context.Context, old s3backend.Object) error {
	if err := it.keepAll(ctx); err != nil {
		return err
	}
	it.mu.Lock()
	leave := append(slices.Clip(it.leave), old)
	it.mu.Unlock()
	if err := it.note(journal.Record{Op: journal.OpObsolete, Obsolete: journal.VersionsOf(leave)}); err != nil {
		return err
	}
	it.mu.Lock()
	it.leave = leave
	it.ageLocked()
	it.mu.Unlock()
	it.o.removals.leave(it, old)
	return nil
}

// onlyBegunAside reports whether a journal is of a file that was being set aside when its
// process ended: S3 has all of it under its own name.
func onlyBegunAside(recs []journal.Record) bool {
	return recs[0].Aside && !slices.ContainsFunc(recs, func(r journal.Record) bool { return r.Op == journal.OpObsolete })
}

// ageLocked has what a private item left at S3 removed after a while.
func (it *Item) ageLocked() {
	if it.aging || !it.leavesLocked() || it.o.ctx.Err() != nil {
		return
	}
	it.aging = true
	since := time.Now()
	it.o.work.Go(func() {
		err := it.o.awaitAside(since)
		for try := 1; err == nil; try++ {
			failed := it.endAside()
			it.mu.Lock()
			it.asideErr, it.aging = failed, failed != nil
			it.mu.Unlock()
			it.o.wake()
			if failed == nil {
				return
			}
			it.o.log.Warn("S3 keeps the state before of a file that was renamed to a private name", "key", it.Key(), "err", failed)
			err = sleep(it.o.ctx, backoff(try))
		}
	})
}

// asideStatus lists the objects that S3 still holds under earlier names of the item, if it
// was renamed to a private name.
func (it *Item) asideStatus() (all []Status) {
	it.mu.Lock()
	defer it.mu.Unlock()
	if it.goneLocked() || it.nameless.Load() || !it.privateLocked() {
		return nil
	}
	for _, obj := range it.leave {
		st := Status{Key: obj.Key, State: Removing, Size: obj.Size, Since: it.since}
		if it.asideErr != nil {
			st.State = Blocked
			st.fail(it.asideErr)
		}
		all = append(all, st)
	}
	return all
}

// leavesLocked reports whether S3 holds, or may hold, something under a name that the
// item has no more.
func (it *Item) leavesLocked() bool {
	return len(it.leave) > 0 || slices.ContainsFunc(it.lost, func(l journal.Ambiguous) bool { return l.Key != it.key })
}

// endAside has what the item left at S3 removed, if it is still private. Its bytes are
// on the disk before.
func (it *Item) endAside() error {
	it.mu.Lock()
	over := it.goneLocked() || !it.privateLocked() || !it.leavesLocked()
	it.mu.Unlock()
	if over {
		return nil
	}
	if it.Open() != nil {
		return nil // dropped meanwhile
	}
	defer it.Close()
	if err := it.keepAll(it.o.ctx); err != nil {
		return err
	}
	if err := it.Sync(); err != nil {
		return err
	}
	it.removeLeft()
	return it.note(journal.Record{Op: journal.OpObsolete})
}
