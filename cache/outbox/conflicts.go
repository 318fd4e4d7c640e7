package outbox

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/google/renameio/v2"
)

// maxConflicts is how many conflict copies are remembered.
const maxConflicts = 1000

// ConflictReason is why a file is delivered as a conflict copy. Who has changed the other
// version is not known: the other party, or another machine of ours.
const ConflictReason = "it changed in the bucket too; this is our version"

// keepConflict adds a conflict copy to the list, until somebody resolves it.
func (o *Outbox) keepConflict(st Status) {
	st.Reason = ConflictReason
	o.notify(st)
	o.changeConflicts(func(all []Status) []Status {
		all = slices.DeleteFunc(all, func(old Status) bool { return old.Key == st.Key })
		if len(all) == maxConflicts {
			all = all[1:]
		}
		return append(all, st)
	})
}

// Conflicts returns the most recent conflict copies, the oldest first. All of them are delivered.
func (o *Outbox) Conflicts() []Status {
	o.conflictsMu.Lock()
	defer o.conflictsMu.Unlock()
	return slices.Clone(o.conflicts)
}

// IsConflict reports whether key holds a conflict copy.
func (o *Outbox) IsConflict(key string) bool {
	o.conflictsMu.Lock()
	defer o.conflictsMu.Unlock()
	return slices.ContainsFunc(o.conflicts, func(st Status) bool { return st.Key == key })
}

// Resolved takes a key off the lists of Conflicts and NotRemoved: it does not exist any more.
func (o *Outbox) Resolved(key string) {
	o.notRemoved.drop(key)
	if !o.IsConflict(key) {
		return
	}
	o.changeConflicts(func(all []Status) []Status {
		return slices.DeleteFunc(all, func(st Status) bool { return st.Key == key })
	})
}

// renameConflict records the new key of a conflict copy that was renamed.
func (o *Outbox) renameConflict(from, to string) {
	if !o.IsConflict(from) {
		return
	}
	o.changeConflicts(func(all []Status) []Status {
		all = slices.DeleteFunc(all, func(st Status) bool {
			return st.Key == from && theirsAfter(st.Theirs, from, to) == ""
		})
		for i, st := range all {
			if st.Key == from {
				all[i].Key, all[i].Theirs = to, theirsAfter(st.Theirs, from, to)
			}
		}
		return all
	})
}

// changeConflicts changes the list in memory and on the disk. It is rarely changed, so it is
// written as a whole.
func (o *Outbox) changeConflicts(change func([]Status) []Status) {
	o.conflictsMu.Lock()
	defer o.conflictsMu.Unlock()
	o.conflicts = change(o.conflicts)
	if o.cfg.Conflicts == "" {
		return
	}
	b, err := json.Marshal(o.conflicts)
	if err == nil {
		err = renameio.WriteFile(o.cfg.Conflicts, b, 0o600)
	}
	if err == nil { // before the journal of what went there ends
		err = syncDir(filepath.Dir(o.cfg.Conflicts))
	}
	if err != nil {
		o.log.Warn("the next mount will not know of a conflict", "err", err)
	}
}

// recoverConflicts reads the list of an earlier process.
func (o *Outbox) recoverConflicts() {
	b, err := os.ReadFile(o.cfg.Conflicts)
	if o.cfg.Conflicts == "" || errors.Is(err, fs.ErrNotExist) {
		return
	}
	o.conflictsMu.Lock()
	defer o.conflictsMu.Unlock()
	if err == nil {
		err = json.Unmarshal(b, &o.conflicts)
	}
	if err == nil {
		return
	}
	o.conflicts = nil
	o.log.Warn("conflicts of earlier mounts are not known any more", "file", o.cfg.Conflicts,
		"err", err)
	if kept := o.cfg.Conflicts + quarantineSuffix; os.Rename(o.cfg.Conflicts, kept) == nil {
		o.unreadable(Status{Key: filepath.Base(kept),
			Reason: "the list of earlier conflicts is damaged, and kept in " + shownPath(kept)}, kept)
	}
}

// theirsAfter returns the key of the other party's version after a conflict copy was renamed. It
// changes with the directory. A copy that gets another name is a conflict copy no more: then it is
// "".
func theirsAfter(theirs, from, to string) string {
	if theirs == "" || path.Base(from) != path.Base(to) {
		return ""
	}
	return path.Join(path.Dir(to), path.Base(theirs))
}
