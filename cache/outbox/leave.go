package outbox

import (
	"context"
	"slices"

	"github.com/s3share/s3share/s3backend"
)

// succeed handles that the key still holds what another item, which has got another
// name since, left there: that is no conflict. It tells whether it was so, and the
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
	if it.o.removals.owes(cur) {
		return true, it.o.awaitRemoval(ctx, key)
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
	it.leave, it.lost = nil, nil
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
			slices.ContainsFunc(it.lost, func(l lost) bool { return l.Key == obj.Key && l.left(obj) })
		it.mu.Unlock()
		if left {
			return it
		}
	}
	return nil
}

// keepAll brings all of the base here, and lets the journal know.
func (it *Item) keepAll(ctx context.Context) error {
	if it.stage == nil || it.stage.whole() {
		return nil
	}
	if err := it.stage.open(); err != nil {
		return err
	}
	defer it.stage.close()
	size := it.stage.length()
	if err := it.fill(ctx, 0, size); err != nil {
		return err
	}
	it.changing.Lock()
	defer it.changing.Unlock()
	return it.note(it.sealRecord(opWrite, it.o.boot))
}

// owes tells whether this very version is being removed.
func (r *removals) owes(obj s3backend.Object) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.owed[obj.Key]
	return t != nil && (t.obj.ETag == obj.ETag || slices.ContainsFunc(t.lost, func(l lost) bool { return l.left(obj) }))
}
