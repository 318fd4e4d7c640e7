package outbox

import (
	"strings"

	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/s3backend"
)

const (
	// removers is how many such requests run at once.
	maxBatches = 4
	// maxConditional is how many single versions are deleted at once. They go at once:
	// no request takes several of them, each with its condition.
	maxConditional = 32

	removalsLog = "removals" + journal.Suffix
)

// Remove deletes the version obj, soon and together with others. Events.Removed is called when that
// is done, or when another version is there, which stays (on a server that distinguishes versions
// in such a request: see DeleteAll of s3backend). The caller knows whether the policy allows it.
// When Remove returns, a later process would do it as well. After an error, which is the local
// disk's, nothing is removed.
func (o *Outbox) Remove(obj s3backend.Object) error {
	if err := o.removals.tryAdd(&removal{obj: obj}, false); err != nil {
		return err
	}
	o.Resolved(obj.Key)
	return nil
}

// MustRemove is Remove for a caller who can return no error. If the disk refuses the journal, a
// later process need not know of the removal before it is journaled again.
func (o *Outbox) MustRemove(obj s3backend.Object) {
	o.Resolved(obj.Key)
	o.removals.add(&removal{obj: obj})
}

// RemoveLater is Remove of a file that a program has open. This process deletes it when the
// returned function or RemoveHeld is called, and a later process at once. stale is set if S3 could
// not be asked whether it still holds this version: then it is asked before the removal. After an
// error, which is the local disk's, nothing is removed.
func (o *Outbox) RemoveLater(obj s3backend.Object, stale bool) (closed func(), err error) {
	t := &removal{obj: obj, held: true, conditional: stale}
	if err := o.removals.tryAdd(t, false); err != nil {
		return nil, err
	}
	o.Resolved(obj.Key)
	return func() { o.removals.unhold(t) }, nil
}

// RemoveHeld deletes what RemoveLater has put off. The caller knows that no program can read it any
// more.
func (o *Outbox) RemoveHeld() {
	o.removals.unholdAll()
}

// Removing returns the version at key that is being removed; false for none.
func (o *Outbox) Removing(key string) (s3backend.Object, bool) {
	t := o.removals.at(key)
	if t == nil {
		return s3backend.Object{}, false
	}
	return t.obj, true
}

// Hides reports whether obj, which S3 lists, is being removed, or will be. What an ambiguous commit
// may have made at a key that its file does not have any more is recognized by its size, until S3
// was asked what it is.
func (o *Outbox) Hides(obj s3backend.Object) bool {
	if t := o.removals.at(obj.Key); t != nil && (t.obj.ETag == obj.ETag ||
		t.ambiguous.mayHaveMade(obj)) {
		return true
	}
	return o.ambiguous.mayHaveMade(obj)
}

// Removals returns the versions that are being removed below prefix, by key.
func (o *Outbox) Removals(prefix string) map[string]s3backend.Object {
	return o.removals.under(prefix)
}

func (r *removals) under(prefix string) map[string]s3backend.Object {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := map[string]s3backend.Object{}
	if r.below[prefix] == 0 && prefix != "" {
		return all
	}
	for key, t := range r.pending {
		if strings.HasPrefix(key, prefix) {
			all[key] = t.obj
		}
	}
	return all
}

// RemovingBelow returns how many versions are being removed below prefix, including an object of
// this key.
func (o *Outbox) RemovingBelow(prefix string) int {
	return o.removals.countUnder(prefix)
}

func (r *removals) countUnder(prefix string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.below[prefix]
}

func (r *removals) status() []Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []Status
	for key, t := range r.pending {
		if t.obsoleteOf != nil {
			continue // listed with its item
		}
		st := Status{Key: key, State: Removing, Since: t.since}
		if t.held {
			st.State, st.Reason = Open, "removed, and a program still has it open"
		} else if t.inFlight == nil {
			st.fail(r.o.Admission.Suspension())
		}
		all = append(all, st)
	}
	return all
}
