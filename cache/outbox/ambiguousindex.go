package outbox

import (
	"slices"
	"sync"

	"github.com/s3share/s3share/s3backend"
)

// ambiguousIndex finds the items with ambiguous commits at keys that they do not have any more, for
// those who commit there. No lock but that of the target is taken under its own.
type ambiguousIndex struct {
	mu    sync.Mutex
	items map[string][]*Item // by key; guarded by mu
}

// add enters an item at the keys of its ambiguous commits that it does not have any more.
func (x *ambiguousIndex) add(it *Item) {
	x.mu.Lock()
	defer x.mu.Unlock()
	t := it.target()
	for _, l := range t.ambiguous {
		if l.Key != t.key && !slices.Contains(x.items[l.Key], it) {
			x.items[l.Key] = append(x.items[l.Key], it)
		}
	}
}

// remove removes an item from the keys of these ambiguous commits.
func (x *ambiguousIndex) remove(it *Item, commits ambiguousCommits) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, l := range commits {
		items := slices.DeleteFunc(x.items[l.Key], func(at *Item) bool { return at == it })
		if x.items[l.Key] = items; len(items) == 0 {
			delete(x.items, l.Key)
		}
	}
}

// clear clears the ambiguous commits of other items at a key: what is there now has replaced what
// they may have made.
func (x *ambiguousIndex) clear(key string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, it := range x.items[key] {
		it.clearAmbiguous(key)
	}
	delete(x.items, key)
}

// mayHaveMade reports whether obj has the size of an ambiguous commit at its key, of an item that
// has another key.
func (x *ambiguousIndex) mayHaveMade(obj s3backend.Object) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.ContainsFunc(x.items[obj.Key], func(it *Item) bool {
		t := it.target()
		return t.key != obj.Key && t.ambiguous.mayHaveMade(obj)
	})
}
