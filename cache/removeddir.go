package cache

import (
	"strings"
	"sync"
	"time"

	"github.com/s3share/s3share/cache/keyname"
	"github.com/s3share/s3share/cache/meta"
	"github.com/s3share/s3share/cache/outbox"
)

// removedDirs has the directories that were removed here. What was removed here does not count as
// there, though S3 may list it for a while. So a directory that was removed together with all that
// it held is remembered until S3 has carried out those removals: no listing makes it come back
// before, and none that was begun before does so afterwards.
type removedDirs struct {
	out   *outbox.Outbox
	names *meta.Cache

	// mu guards the fields below. Cache.mu may be held; take it before the locks of out and names.
	mu       sync.Mutex
	byPrefix map[string]*removedDir
}

// removedDir is a directory that was removed here, or renamed, while S3 still holds
// something below it that is being removed.
type removedDir struct {
	at    time.Time // zero where that is not known
	again bool      // it is there again, but not all that was below it
	stays bool      // S3 still has something below it, or has something again
}

// recheck is how long a directory that was removed counts as gone without a look at
// what the other party may have put there since.
const recheck = 2 * time.Second

// exists reports whether a directory that S3 has was not removed here. known is false if that takes
// a look at what S3 lists in it.
func (d *removedDirs) exists(prefix string) (there, known bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.existsLocked(prefix)
}

func (d *removedDirs) existsLocked(prefix string) (there, known bool) {
	if len(d.byPrefix) == 0 {
		return true, true
	}
	for at := prefix; at != ""; at, _ = keyname.Split(at) {
		switch r := d.byPrefix[at]; {
		case r == nil:
		case r.again && at == prefix:
			return true, true
		default:
			return false, !r.again && time.Since(r.at) < recheck
		}
	}
	return true, true
}

// add notes that a directory is no more. What was below it is gone, or is being removed, as its
// marker is.
func (d *removedDirs) add(prefix string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.byPrefix[prefix] = &removedDir{at: time.Now()}
}

// endIfDone forgets that a directory was removed, once nothing is being removed below it any more.
// What was listed meanwhile does not bring it back.
func (d *removedDirs) endIfDone(prefix string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.byPrefix[prefix]
	if r == nil || d.out.RemovingBelow(prefix) > 0 {
		return
	}
	delete(d.byPrefix, prefix)
	switch {
	case r.again:
		d.names.Drop(prefix) // nobody knows what of it is there again
	case r.stays || r.at.IsZero():
		parent, _ := keyname.Split(prefix)
		d.names.Drop(parent)
	default:
		d.names.RemoveDir(prefix)
	}
}

// madeAgain notes that a directory is there, which may have been removed before.
func (d *removedDirs) madeAgain(prefix string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.madeAgainLocked(prefix)
}

func (d *removedDirs) madeAgainLocked(prefix string) {
	if there, _ := d.existsLocked(prefix); !there {
		d.byPrefix[prefix] = &removedDir{again: true}
	}
}

// notRemoved notes that S3 has not removed the object with this key.
func (d *removedDirs) notRemoved(key string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for prefix := range outbox.Prefixes(key) {
		if r := d.byPrefix[prefix]; r != nil {
			r.stays = true
		}
	}
}

// recover has each directory looked at below which an earlier process had
// something removed: it may have removed the directory as well.
func (d *removedDirs) recover() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for key := range d.out.Removals("") {
		for prefix := range outbox.Prefixes(key) {
			if prefix != keyname.Folder(key)+"/" {
				d.byPrefix[prefix] = &removedDir{}
			}
		}
	}
}

// beforeRestore is called before a directory, with all that will be below it, is put into the
// listings again. The last removal below it may end meanwhile: that must not take it out of
// the listings.
func (d *removedDirs) beforeRestore(prefix string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for p, r := range d.byPrefix {
		if strings.HasPrefix(p, prefix) {
			r.stays = true
		}
	}
}

// restore notes that there is a directory again with this prefix, and something
// below it.
func (d *removedDirs) restore(prefix string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.madeAgainLocked(prefix)
	for p, r := range d.byPrefix {
		if p != prefix && strings.HasPrefix(p, prefix) {
			r.at = time.Time{}
		}
	}
}
