package outbox

import (
	"context"
	"slices"

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

// leavesLocked reports whether S3 holds, or may hold, something under a name that the
// item has no more.
func (it *Item) leavesLocked() bool {
	return len(it.leave) > 0 || slices.ContainsFunc(it.lost, func(l journal.Ambiguous) bool { return l.Key != it.key })
}
