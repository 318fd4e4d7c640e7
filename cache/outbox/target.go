package outbox

import (
	"slices"
	"sync"

	"github.com/s3share/s3share/s3backend"
)

// target is the object that an item is to become: its entry (what it is named and what it
// replaces) and its commits (what of it S3 has already, or may have). It is a plain value, into
// which a journal is replayed.
type target struct {
	entry
	commits
}

// inS3 reports whether S3 holds the content as it is after seq changes, at the present key.
func (t *target) inS3(seq uint64) bool {
	at := t.committed
	return at.has(seq) && at.obj.Key == t.key && at.obj.ETag == t.over.ETag
}

// hasObsolete reports whether S3 holds, or may hold, something of the item at a key that it does
// not have any more.
func (t *target) hasObsolete() bool { return len(t.obsolete) > 0 || t.ambiguous.notAt(t.key) }

// owns reports whether this version is obsolete once the item is delivered, or may be of an
// ambiguous commit of it.
func (t *target) owns(obj s3backend.Object) bool {
	return t.isObsolete(obj.Key, obj.ETag) || t.ambiguous.made(obj.Key, obj)
}

// replaceRemoved makes the commit replace what is being removed at the key, unless it replaces
// something else.
func (t *target) replaceRemoved(r *removal) {
	over, left := r.replacedBy(t.over)
	t.ambiguous.add(left)
	t.over = over
}

// sharedTarget is the target of an item, which any goroutine may ask for and change. Its lock is
// taken after that of the schedule, and no other is taken under it. Whoever makes a decision of a
// target and acts on it holds the item, or is its delivery: then nobody else gives it another name.
type sharedTarget struct {
	targetMu sync.Mutex
	now      target // guarded by targetMu
}

// target returns the target as it is now.
func (s *sharedTarget) target() target {
	s.targetMu.Lock()
	defer s.targetMu.Unlock()
	t := s.now
	t.ambiguous = slices.Clone(t.ambiguous) // the only part that is changed in place
	return t
}

// changeTarget has f change the target. f takes no lock.
func (s *sharedTarget) changeTarget(f func(t *target)) {
	s.targetMu.Lock()
	defer s.targetMu.Unlock()
	f(&s.now)
}

// Key returns the key at which the item is delivered.
func (s *sharedTarget) Key() string {
	s.targetMu.Lock()
	defer s.targetMu.Unlock()
	return s.now.key
}

// Over returns the version at Key that the commit replaces; without an ETag for none.
func (s *sharedTarget) Over() s3backend.Object {
	s.targetMu.Lock()
	defer s.targetMu.Unlock()
	return s.now.over
}

// Base returns the version that the item's content lies over; without an ETag for none.
func (s *sharedTarget) Base() s3backend.Object {
	s.targetMu.Lock()
	defer s.targetMu.Unlock()
	return s.now.base
}

// MayBeThere reports whether S3 may hold a directory marker that is not confirmed: the reply to its
// creation was lost, or the marker before it is still being removed.
func (s *sharedTarget) MayBeThere() bool {
	s.targetMu.Lock()
	defer s.targetMu.Unlock()
	return s.now.unsure
}

// KeptHere returns why S3 has not taken a new time or mode of a version that it holds; nil if it
// has.
func (s *sharedTarget) KeptHere() error {
	s.targetMu.Lock()
	defer s.targetMu.Unlock()
	return s.now.keptHere
}

// HasMode reports whether the item has permission bits of its own, and not only those of its base.
func (s *sharedTarget) HasMode() bool {
	s.targetMu.Lock()
	defer s.targetMu.Unlock()
	return s.now.hasMode
}

// Permit sets the permission bits that the item's base is shown with. It does not journal
// them: the caller sets them again after a recovery.
func (s *sharedTarget) Permit(mode uint32) {
	s.changeTarget(func(t *target) { t.setMode(mode) })
}

// clearAmbiguous removes the ambiguous commits at a key.
func (s *sharedTarget) clearAmbiguous(key string) {
	s.changeTarget(func(t *target) { t.ambiguous.drop(key) })
}

// NameTaken records that something else has replaced all that S3 held at the item's key, including
// what its ambiguous commits may have made. The caller drops or unnames the item.
func (s *sharedTarget) NameTaken() {
	s.changeTarget(func(t *target) { t.ambiguous.drop(t.key) })
}

// replacedIsGone records that S3 has deleted the version that the item would have replaced.
func (s *sharedTarget) replacedIsGone(obj s3backend.Object) {
	s.changeTarget(func(t *target) {
		if t.over.Key == obj.Key && t.over.ETag == obj.ETag {
			t.over = s3backend.Object{}
		}
	})
}

// copiedIfObsolete records that an earlier process may have copied obj to the item's key, if obj is
// obsolete: then the item is to replace that copy. It reports whether it is.
func (s *sharedTarget) copiedIfObsolete(obj s3backend.Object) (obsolete bool) {
	s.changeTarget(func(t *target) {
		if obsolete = t.isObsolete(obj.Key, obj.ETag); obsolete {
			t.copies = append(t.copies, obj)
		}
	})
	return obsolete
}

// addDependent records that another item lies over the version that this one replaces. It has to be
// materialized before.
func (s *sharedTarget) addDependent(other *Item) {
	s.changeTarget(func(t *target) { t.dependents = append(t.dependents, other) })
}
