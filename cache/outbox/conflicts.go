package outbox

import (
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sync"

	"github.com/google/renameio/v2"
)

// maxConflicts is how many conflict copies are remembered.
const maxConflicts = 1000

// ConflictReason is why a file is delivered as a conflict copy. Who has changed the other
// version is not known: the other party, or another machine of ours.
const ConflictReason = "it changed in the bucket too; this is our version"

// conflictList is the list of conflict copies that nobody has resolved, in memory and in a file.
// Its lock is taken after any other.
type conflictList struct {
	path   string // of the file; "" for none
	notify func(Status)
	log    *slog.Logger

	mu  sync.Mutex // guards all, and the file
	all []Status   // the most recent ones, the oldest first
}

// add adds a conflict copy to the list, until somebody resolves it.
func (c *conflictList) add(st Status) {
	st.Reason = ConflictReason
	c.notify(st)
	c.change(func(all []Status) []Status {
		all = slices.DeleteFunc(all, func(old Status) bool { return old.Key == st.Key })
		if len(all) == maxConflicts {
			all = all[1:]
		}
		return append(all, st)
	})
}

// Conflicts returns the most recent conflict copies, the oldest first. All of them are delivered.
func (o *Outbox) Conflicts() []Status { return o.conflicts.list() }

func (c *conflictList) list() []Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.all)
}

// IsConflict reports whether key holds a conflict copy.
func (o *Outbox) IsConflict(key string) bool { return o.conflicts.has(key) }

// has reports whether key holds a conflict copy.
func (c *conflictList) has(key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.all, func(st Status) bool { return st.Key == key })
}

// Resolved takes a key off the lists of Conflicts and NotRemoved: it does not exist any more.
func (o *Outbox) Resolved(key string) {
	o.notRemoved.drop(key)
	o.conflicts.drop(key)
}

// drop takes a key off the list.
func (c *conflictList) drop(key string) {
	if !c.has(key) {
		return
	}
	c.change(func(all []Status) []Status {
		return slices.DeleteFunc(all, func(st Status) bool { return st.Key == key })
	})
}

// rename records the new key of a conflict copy that was renamed.
func (c *conflictList) rename(from, to string) {
	if !c.has(from) {
		return
	}
	c.change(func(all []Status) []Status {
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

// change changes the list in memory and on the disk. It is rarely changed, so it is written as a
// whole.
func (c *conflictList) change(f func([]Status) []Status) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = f(c.all)
	if c.path == "" {
		return
	}
	b, err := json.Marshal(c.all)
	if err == nil {
		err = renameio.WriteFile(c.path, b, 0o600)
	}
	if err == nil { // before the journal of what went there ends
		err = syncDir(filepath.Dir(c.path))
	}
	if err != nil {
		c.log.Warn("the next mount will not know of a conflict", "err", err)
	}
}

// recover reads the list of an earlier process. If it is damaged, it is kept under another name,
// which is returned.
func (c *conflictList) recover() (damaged string) {
	b, err := os.ReadFile(c.path)
	if c.path == "" || errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		err = json.Unmarshal(b, &c.all)
	}
	if err == nil {
		return ""
	}
	c.all = nil
	c.log.Warn("conflicts of earlier mounts are not known any more", "file", c.path, "err", err)
	kept := c.path + quarantineSuffix
	if os.Rename(c.path, kept) != nil {
		return ""
	}
	return kept
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
