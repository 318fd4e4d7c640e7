package cache

import (
	"context"
	"strings"
	"time"

	"github.com/s3share/s3share/cache/keyname"
	"github.com/s3share/s3share/cache/outbox"
)

// What was removed here does not count as there, though S3 may list it for a while. So a
// directory that was removed together with all that it held is remembered until S3 has
// carried out those removals: no listing makes it come back before, and none that was
// begun before does so afterwards.

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

// dirExists reports whether S3 lists anything in a directory that was not removed here.
func (c *Cache) dirExists(ctx context.Context, prefix string) bool {
	c.mu.Lock()
	there, known := c.dirExistsLocked(prefix)
	c.mu.Unlock()
	if known {
		return there
	}
	entry, marker, err := c.dirContents(ctx, prefix, "", -1)
	return err == nil && (entry || marker)
}

// dirExistsLocked is dirExists without a request: known is false if one is needed.
func (c *Cache) dirExistsLocked(prefix string) (there, known bool) {
	if len(c.removed) == 0 {
		return true, true
	}
	for at := prefix; at != ""; at, _ = keyname.Split(at) {
		switch r := c.removed[at]; {
		case r == nil:
		case r.again && at == prefix:
			return true, true
		default:
			return false, !r.again && time.Since(r.at) < recheck
		}
	}
	return true, true
}

// dirRemoved notes that a directory is no more. What was below it is gone, or is being removed, as
// its marker is.
func (c *Cache) dirRemoved(prefix string) {
	c.dirs.forget(prefix)
	c.mu.Lock()
	c.removed[prefix] = &removedDir{at: time.Now()}
	c.mu.Unlock()
	c.names.RemoveDir(prefix)
	c.forgetRemoved(prefix)
}

// Forgotten implements outbox.Events.
func (c *Cache) Forgotten(key string) {
	for prefix := range outbox.Prefixes(key) {
		c.forgetRemoved(prefix)
	}
}

// forgetRemoved forgets that a directory was removed, once nothing is being removed below
// it any more. What was listed meanwhile does not bring it back.
func (c *Cache) forgetRemoved(prefix string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.removed[prefix]
	if r == nil || c.out.RemovingBelow(prefix) > 0 {
		return
	}
	delete(c.removed, prefix)
	switch {
	case r.again:
		c.names.Drop(prefix) // nobody knows what of it is there again
	case r.stays || r.at.IsZero():
		parent, _ := keyname.Split(prefix)
		c.names.Drop(parent)
	default:
		c.names.RemoveDir(prefix)
	}
}

// madeAgainLocked notes that a directory is there, which may have been removed before.
func (c *Cache) madeAgainLocked(prefix string) {
	if there, _ := c.dirExistsLocked(prefix); !there {
		c.removed[prefix] = &removedDir{again: true}
	}
}

// noteNotRemoved notes that S3 has not removed the object with this key.
func (c *Cache) noteNotRemoved(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for prefix := range outbox.Prefixes(key) {
		if r := c.removed[prefix]; r != nil {
			r.stays = true
		}
	}
}

// recoverRemovedLocked has each directory looked at below which an earlier process had
// something removed: it may have removed the directory as well.
func (c *Cache) recoverRemovedLocked() {
	for key := range c.out.Removals("") {
		for prefix := range outbox.Prefixes(key) {
			if prefix != keyname.Folder(key)+"/" {
				c.removed[prefix] = &removedDir{}
			}
		}
	}
}

// beforeRestoreLocked is called before a directory, with all that will be below it, is put into the
// listings again. The last removal below it may end meanwhile: that must not take it out of
// the listings.
func (c *Cache) beforeRestoreLocked(prefix string) {
	for p, r := range c.removed {
		if strings.HasPrefix(p, prefix) {
			r.stays = true
		}
	}
}

// restoreDirsLocked notes that there is a directory again with this prefix, and something
// below it.
func (c *Cache) restoreDirsLocked(prefix string) {
	c.madeAgainLocked(prefix)
	for p, r := range c.removed {
		if p != prefix && strings.HasPrefix(p, prefix) {
			r.at = time.Time{}
		}
	}
}
