package outbox

import (
	"path"
	"slices"
)

// mostConflicts is how many conflict copies are remembered.
const mostConflicts = 1000

// keepConflict remembers a file that went beside the other party's version, until
// somebody here removes it or gives it a name of its own.
func (o *Outbox) keepConflict(st Status) {
	st.Reason = "the other party changed the file; this is ours"
	o.tell(st)
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.beside) == mostConflicts {
		o.beside = o.beside[1:]
	}
	o.beside = append(o.beside, st)
}

// Conflicts lists the last files that went beside the other party's version, the
// oldest first: all of them are delivered.
func (o *Outbox) Conflicts() []Status {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.beside)
}

// IsConflict tells whether key holds a file that went beside the other party's
// version.
func (o *Outbox) IsConflict(key string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.ContainsFunc(o.beside, func(st Status) bool { return st.Key == key })
}

// resolved notes that a conflict copy was removed.
func (o *Outbox) resolved(key string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.beside = slices.DeleteFunc(o.beside, func(st Status) bool { return st.Key == key })
}

// moved notes that a conflict copy has another key now.
func (o *Outbox) moved(from, to string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.beside = slices.DeleteFunc(o.beside, func(st Status) bool { return st.Key == from && theirsAfter(st.Theirs, from, to) == "" })
	for i, st := range o.beside {
		if st.Key == from {
			o.beside[i].Key, o.beside[i].Theirs = to, theirsAfter(st.Theirs, from, to)
		}
	}
}

// theirsAfter is the key that a conflict copy goes beside when its own changes: it
// follows its folder, and a copy that is given another name is one no more.
func theirsAfter(theirs, from, to string) string {
	if theirs == "" || path.Base(from) != path.Base(to) {
		return ""
	}
	return path.Join(path.Dir(to), path.Base(theirs))
}
