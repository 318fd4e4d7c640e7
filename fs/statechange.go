package fs

import (
	"context"
	"path"
	"time"

	"github.com/s3share/s3share/cache"
	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/fs/arrival"
)

const (
	// statePause is the time between two looks at the states of pending files. A look that takes
	// long is followed by a pause of stateShare times as long.
	statePause = time.Second
	stateShare = 50
	// attrTimeout is how long the attributes of a file may take.
	attrTimeout = 5 * time.Second
)

// announceStates has the kernel make an ATTRIB event of each file in a watched directory whose
// state of delivery has changed, so that file managers show the state anew.
func (a *announcer) announceStates() {
	begun := time.Now()
	if len(a.watched) == 0 || begun.Before(a.states) {
		return
	}
	byPath := map[string]map[string]outbox.State{}
	for _, w := range a.watched {
		byPath[w.d.path()] = map[string]outbox.State{}
	}
	for _, st := range a.s.cache.Deliveries().Status() {
		dir, name := path.Split(st.Path)
		if states := byPath[path.Clean(dir)]; states != nil {
			states[name] = st.State
		}
	}
	a.states = time.Now().Add(max(statePause, stateShare*time.Since(begun)))
	for _, w := range a.watched {
		now := byPath[w.d.path()]
		if w.states == nil { // its watchers have just begun, and have seen these
			w.states = now
			continue
		}
		changes, attrs := a.stateChanges(w, now)
		if w.states = now; len(changes) > 0 {
			a.announce(w, changes, attrs)
		}
	}
}

// stateChanges returns what to announce of the files of w, which are in these states now. A file
// that is in use, or is not known to the watchers yet, stays in now as it was: the next look sees
// it again.
func (a *announcer) stateChanges(w *watch,
	now map[string]outbox.State) ([]arrival.Changed, map[string]cache.Attr) {
	var changes []arrival.Changed
	attrs := map[string]cache.Attr{}
	see := func(name string, was outbox.State) {
		c, ok := w.d.names.Touched(name)
		f := w.d.file(name)
		if !ok || f != nil && f.inUse() {
			if was == "" {
				delete(now, name)
			} else if w.d.names.Knows(name) {
				now[name] = was
			}
			return
		}
		ctx, cancel := context.WithTimeout(a.ctx, attrTimeout)
		defer cancel()
		attr, err := a.s.cache.Stat(ctx, w.d.join(name))
		if err != nil || attr.Dir {
			return
		}
		changes = append(changes, c)
		attrs[name] = attr
	}
	for name, state := range now {
		if was, ok := w.states[name]; ok && was != state {
			see(name, was)
		} else if !ok && state != outbox.Open {
			see(name, "")
		}
		if len(changes) >= maxChanges {
			return changes, attrs
		}
	}
	for name, was := range w.states {
		if _, ok := now[name]; !ok && len(changes) < maxChanges {
			see(name, was)
		}
	}
	return changes, attrs
}
