package outbox

import (
	"context"
	"slices"

	"github.com/s3share/s3share/cache/outbox/journal"
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
// the removal; see giveUpTaken.

// yield gives up a removal, since it has taken the name, as its journal says. It returns
// the end of the request that is under way, nil for none.
func (r *removals) yield(it *Item, t *toRemove) (busy <-chan struct{}) {
	if t == nil {
		return nil
	}
	r.logMu.Lock()
	r.mu.Lock()
	var over []*toRemove
	if r.owed[t.obj.Key] == t {
		if ch := t.busyLocked(); ch != nil {
			t.taker, busy = it, ch
		} else {
			over = append(over, t)
			r.forgetLocked(t)
		}
	}
	gone := t.gone
	r.mu.Unlock()
	r.logMu.Unlock()
	if gone {
		it.overGone(t.obj)
	}
	if len(over) > 0 && t.leftBy != nil && it != nil {
		it.lieUpon(t.leftBy)
	}
	r.told(over...)
	return busy
}

// unyield goes on with a removal that was given up for it, which has given up the name
// without another taking it.
func (r *removals) unyield(it *Item, t *toRemove) {
	if t == nil {
		return
	}
	r.mu.Lock()
	if t.taker != it {
		r.mu.Unlock()
		return
	}
	t.taker = nil
	ended := r.owed[t.obj.Key] != t && !t.gone
	r.queueLocked(t)
	r.mu.Unlock()
	if ended {
		r.add(&toRemove{obj: t.obj, strict: true, lost: t.lost})
	}
}

// yielded returns the removal that is under way of the version that it replaces, or nil.
func (r *removals) yielded(it *Item, key string) *toRemove {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t := r.owed[key]; t != nil && t.taker == it {
		return t
	}
	return nil
}

// awaitFree waits until no request to delete what key holds is under way. What is still
// owed to be removed there, it replaces.
func (r *removals) awaitFree(ctx context.Context, it *Item, key string) error {
	for {
		t := r.at(key)
		if t == nil {
			return nil
		}
		it.replace(t)
		busy := r.yield(it, t)
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

// replace has the commit replace what is being removed at the item's key, unless it
// replaces something else.
func (it *Item) replace(t *toRemove) {
	it.mu.Lock()
	defer it.mu.Unlock()
	over, left := t.replaced(it.over)
	it.addLostLocked(left)
	it.over = over
}

// addLostLocked takes over what attempts may have left whose answers were lost.
func (it *Item) addLostLocked(lost []journal.Ambiguous) {
	for _, l := range lost {
		if !slices.Contains(it.lost, l) {
			it.lost = append(it.lost, l)
		}
	}
}

// CancelRemove gives up a removal for good that was not sent yet, and reports whether it
// could: then S3 still holds what was to be removed.
func (o *Outbox) CancelRemove(key string) bool {
	r := o.removals
	t := r.at(key)
	if t == nil {
		return false
	}
	r.logMu.Lock()
	r.mu.Lock()
	ok := r.owed[key] == t && t.busyLocked() == nil
	if ok {
		r.forgetLocked(t)
	}
	r.mu.Unlock()
	r.logMu.Unlock()
	if ok {
		r.told(t)
	}
	return ok
}

// Made asks S3 whether attempts at the item's key have come through of which the answers
// were lost: what they left is what something replaces that takes the name. The caller
// holds the item.
func (it *Item) Made(ctx context.Context) (s3backend.Object, error) {
	it.mu.Lock()
	key, over := it.key, it.over
	unsure := slices.ContainsFunc(it.lost, func(l journal.Ambiguous) bool { return l.Key == key })
	it.mu.Unlock()
	if !unsure {
		return over, nil
	}
	cur, err := it.o.current(ctx, key)
	if err != nil {
		return over, err
	}
	cur.Key = key
	it.mu.Lock()
	defer it.mu.Unlock()
	if slices.ContainsFunc(it.lost, func(l journal.Ambiguous) bool { return l.Key == key && leftBy(l, cur) }) {
		return cur, nil
	}
	return over, nil
}

// NameTaken notes that something else has replaced all that S3 held at the item's key,
// what its attempts may have left among it. The caller drops or unnames it.
func (it *Item) NameTaken() { it.dropLost(it.Key()) }

// overGone notes that S3 has deleted the version that the item would have replaced.
func (it *Item) overGone(obj s3backend.Object) {
	if it == nil {
		return
	}
	it.mu.Lock()
	defer it.mu.Unlock()
	if it.over.Key == obj.Key && it.over.ETag == obj.ETag {
		it.over = s3backend.Object{}
	}
}

// giveUpTaken gives up the removals that an earlier process had noted of names that were
// taken since: their takers' journals came first.
func (o *Outbox) giveUpTaken(items []*Item, moves []*recoveredRename) {
	taken := map[string]*Item{}
	over := map[journal.Version][]*Item{} // who lies over a version
	for _, rec := range moves {
		for _, m := range rec.moves {
			taken[m.To] = nil
		}
	}
	for _, it := range items {
		taken[it.key] = it
		if it.base.ETag != "" {
			v := journal.Version{Key: it.base.Key, ETag: it.base.ETag}
			over[v] = append(over[v], it)
		}
	}
	for _, it := range items {
		for _, other := range over[journal.Version{Key: it.over.Key, ETag: it.over.ETag}] {
			if other != it {
				it.lieUpon(other)
			}
		}
	}
	for key, it := range taken {
		if t := o.removals.at(key); t != nil && (it == nil || t.leftBy != it) {
			o.removals.yield(it, t)
		}
	}
}
