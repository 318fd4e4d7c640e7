package cache

import (
	"errors"

	"github.com/s3share/s3share/cache/keyname"
	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/s3backend"
)

// events is what the outbox tells a Cache of: it implements [outbox.Events], which says what each
// call means.
type events struct{ c *Cache }

func (e events) Confirmed(it *outbox.Item, obj s3backend.Object) {
	c := e.c
	switch why := it.KeptHere(); {
	case why != nil:
		c.attrs.keepTimes(it, obj, why)
	case it.Overtaken():
		c.attrs.learn(obj) // it is not ours
	default:
		c.attrs.remember(it, obj)
		if !it.WasCommitted() {
			c.recorded.delivered(obj, it.Found())
		}
	}
}

func (e events) Delivered(it *outbox.Item, obj s3backend.Object, path string) {
	c := e.c
	c.outcomes.note(obj.Key, Delivered, obj.ETag)
	if it.IsFolder() {
		c.markers.delivered(it, obj.Key)
		return
	}
	c.names.Put(obj)
	c.mu.Lock()
	if f := c.pending[it]; f != nil {
		delete(c.pending, it)
		f.deliveredLocked(it, obj)
		c.log.Info("delivered", "key", obj.Key, "bytes", obj.Size)
	}
	c.mu.Unlock()
	if p := it.Bytes(); p != nil {
		c.blocks.Insert(obj, p)
	}
	if path == "" {
		return
	}
	// Nobody opens the staged file any more: it can be taken.
	if err := c.blocks.Adopt(obj, path); err != nil {
		c.log.Debug("staged file not kept as cached content", "key", obj.Key, "err", err)
	}
}

func (e events) Committed(it *outbox.Item, obj s3backend.Object) {
	c := e.c
	c.attrs.remember(it, obj)
	c.recorded.delivered(obj, it.Found())
	c.names.Put(obj)
}

func (e events) Conflicted(it *outbox.Item, beside string) {
	c := e.c
	prefix, _ := keyname.Split(beside)
	c.names.Drop(prefix) // the other party's version is news
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.pending[it]; f != nil {
		if theirs, _ := keyname.Split(f.key); theirs != prefix { // its directory had no room
			defer c.names.Drop(theirs)
		}
		c.outcomes.note(f.key, Renamed, "")
		c.files.move(f, beside)
	}
}

func (e events) Removed(key string, err error) {
	c := e.c
	switch {
	case err == nil:
		c.outcomes.note(key, Removed, "")
		c.attrs.forget(key)
		c.names.Remove(key)
		return
	case errors.Is(err, s3backend.Stale): // another version has come, and stays
		c.outcomes.forget(key)
		prefix, _ := keyname.Split(key)
		c.names.Drop(prefix)
	case errors.Is(err, s3backend.Denied):
		c.grants.RecordDelete(keyname.Folder(key), err)
		fallthrough
	default:
		c.log.Warn("not removed", "key", key, "err", err)
	}
	c.removed.notRemoved(key)
}

func (e events) Moved(old, obj s3backend.Object) { e.c.renamed(old, obj, func() {}) }

func (e events) Forgotten(key string) {
	c := e.c
	for prefix := range outbox.Prefixes(key) {
		c.removed.endIfDone(prefix)
	}
}
