package cache

import (
	"strings"
	"sync"
	"time"
)

// dirAttrs has the times and permission bits of directories. They are kept here, in the ledger: S3
// has no directories, and the object that may stand for one is made before they are set.
type dirAttrs struct {
	store *attrStore // the ledger is its
	begun time.Time  // the time of a directory of which no other is known

	// mu guards changed, and the order in which the ledger has what is set. Cache.mu may be held.
	mu      sync.Mutex
	changed map[string]time.Time // when a directory's entries changed here, by prefix
}

// root returns what is shown of the root of the mount.
func (d *dirAttrs) root() Attr { return Attr{Dir: true, Mtime: d.begun} }

// of returns what is shown of the directory with this prefix. It does not check that there is one.
func (d *dirAttrs) of(prefix string) Attr {
	d.mu.Lock()
	defer d.mu.Unlock()
	set := d.store.sent.Dir(prefix)
	a := Attr{Dir: true, Mtime: d.begun, Mode: set.Mode, HasMode: set.HasMode, Key: prefix,
		Deny: d.store.grants.Denied(prefix, true)}
	if t, ok := d.changed[prefix]; ok {
		a.Mtime = t
	} else if set.Touched {
		a.Mtime = set.Mtime
	}
	return a
}

// setMtime sets the time of a directory.
func (d *dirAttrs) setMtime(prefix string, t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.changed[prefix] = t
	d.keepLocked(prefix, &t, nil)
}

// setMode sets the permission bits of a directory.
func (d *dirAttrs) setMode(prefix string, mode uint32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.keepLocked(prefix, nil, &mode)
}

// touched notes that the entries of a directory changed here. A time that was set of it holds no
// more, after a kill either.
func (d *dirAttrs) touched(prefix string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	d.changed[prefix] = now
	if d.store.sent.Dir(prefix).Touched {
		d.keepLocked(prefix, &now, nil)
	}
}

func (d *dirAttrs) keepLocked(prefix string, mtime *time.Time, mode *uint32) {
	if err := d.store.sent.SetDir(prefix, mtime, mode); err != nil {
		d.store.log.Warn("a mode or a time is kept until the mount is undone only",
			"key", prefix, "err", err)
	}
}

// made notes that a directory was made now, and has nothing of an earlier one. With a nil mode it
// has the mount's default.
func (d *dirAttrs) made(prefix string, mode *uint32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	d.forgetLocked(prefix)
	d.changed[prefix] = now
	if mode != nil {
		d.keepLocked(prefix, &now, mode)
	}
}

// forget forgets the attributes of a directory that is no more.
func (d *dirAttrs) forget(prefix string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.forgetLocked(prefix)
}

func (d *dirAttrs) forgetLocked(prefix string) {
	delete(d.changed, prefix)
	d.store.forget(prefix)
}

// moved has the attributes of a directory, and of those below it, follow their new names.
func (d *dirAttrs) moved(old, dir string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.forgetLocked(dir) // an empty one that it has replaced
	for prefix, t := range d.changed {
		if below, ok := strings.CutPrefix(prefix, old); ok {
			delete(d.changed, prefix)
			d.changed[dir+below] = t
		}
	}
	if err := d.store.sent.MovedDir(old, dir); err != nil {
		d.store.log.Warn("a mode or a time is kept until the mount is undone only",
			"key", dir, "err", err)
	}
}

// keep writes down when the entries of directories changed here.
func (d *dirAttrs) keep() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for prefix, t := range d.changed {
		if e := d.store.sent.Dir(prefix); !e.Touched || !e.Mtime.Equal(t) {
			d.keepLocked(prefix, &t, nil)
		}
	}
}
