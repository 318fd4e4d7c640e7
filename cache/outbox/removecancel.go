package outbox

import (
	"context"

	"github.com/s3share/s3share/s3backend"
)

// What is removed here may still be at S3 when its name is taken again: by a new file, a
// directory, a rename. Then the removal must not meet the newcomer, of which the content,
// and so the ETag, may be the same. Whoever takes a name replaces the version that was to
// be removed there, and the removal is given up:
//
//   - one that was not sent yet, at once;
//   - one whose request is under way, when that has ended. If S3 has deleted the version,
//     the name is free; else nobody tries again, and the version is what is replaced.
//
// The taker's journal names the version that it replaces before the removal's own journal
// forgets it. A process that ends between the two leaves both, and the next one gives up
// the removal; see cancelSuperseded.

// cancelFor cancels a removal, since the item has taken the name, as its journal says. It returns
// the end of the request that is in flight, nil for none.
func (r *removals) cancelFor(it *Item, t *removal) (busy <-chan struct{}) {
	if t == nil {
		return nil
	}
	r.logMu.Lock()
	r.mu.Lock()
	var over []*removal
	if r.pending[t.obj.Key] == t {
		if ch := t.busyLocked(); ch != nil {
			t.canceledBy, busy = it, ch
		} else {
			over = append(over, t)
			r.forgetLocked(t)
		}
	}
	gone := t.gone
	r.mu.Unlock()
	r.logMu.Unlock()
	if gone && it != nil {
		it.replacedIsGone(t.obj)
	}
	if len(over) > 0 && t.obsoleteOf != nil && it != nil {
		it.addDependent(t.obsoleteOf)
	}
	r.notifyForgotten(over...)
	return busy
}

// undoCancel resumes a removal that was canceled for the item, which has given up the name before
// another took it.
func (r *removals) undoCancel(it *Item, t *removal) {
	if t == nil {
		return
	}
	r.mu.Lock()
	if t.canceledBy != it {
		r.mu.Unlock()
		return
	}
	t.canceledBy = nil
	ended := r.pending[t.obj.Key] != t && !t.gone
	r.queueLocked(t)
	r.mu.Unlock()
	if ended {
		r.add(&removal{obj: t.obj, conditional: true, ambiguous: t.ambiguous})
	}
}

// canceledFor returns the removal in flight of the version that the item replaces, or nil.
func (r *removals) canceledFor(it *Item, key string) *removal {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t := r.pending[key]; t != nil && t.canceledBy == it {
		return t
	}
	return nil
}

// awaitKey waits until no request to delete what key holds is in flight. A removal that is still
// pending there is canceled, and the item replaces its version.
func (r *removals) awaitKey(ctx context.Context, it *Item, key string) error {
	for {
		t := r.at(key)
		if t == nil {
			return nil
		}
		it.changeTarget(func(now *target) { now.replaceRemoved(t) })
		busy := r.cancelFor(it, t)
		if busy == nil {
			continue
		}
		select {
		case <-busy:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// CancelRemove cancels a removal for good if it was not sent yet, and reports whether it did: then
// S3 still holds what was to be removed.
func (o *Outbox) CancelRemove(key string) bool {
	return o.removals.cancelUnsent(key)
}

func (r *removals) cancelUnsent(key string) bool {
	r.logMu.Lock()
	r.mu.Lock()
	t := r.pending[key]
	ok := t != nil && t.busyLocked() == nil
	if ok {
		r.forgetLocked(t)
	}
	r.mu.Unlock()
	r.logMu.Unlock()
	if ok {
		r.notifyForgotten(t)
	}
	return ok
}

// FindCommitted asks S3 whether an ambiguous commit at the item's key was carried out, and returns
// what something replaces that takes the name. The caller holds the item.
func (it *Item) FindCommitted(ctx context.Context) (s3backend.Object, error) {
	t := it.target()
	key, over := t.key, t.over
	if !t.ambiguous.at(key) {
		return over, nil
	}
	cur, err := it.o.current(ctx, key)
	if err != nil {
		return over, err
	}
	cur.Key = key
	if it.target().ambiguous.made(key, cur) {
		return cur, nil
	}
	return over, nil
}
