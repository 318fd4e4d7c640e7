package cache

import (
	"context"
	"time"

	"github.com/s3share/s3share/s3backend"
)

// asideGrace is how long S3 keeps a file that was renamed to a private name, as
// editors do with the state before they save: the new file replaces it in one
// request, and needs no right to delete.
const asideGrace = 30 * time.Second

// aside has S3 told of the removal later, unless a new file has come by then.
func (c *Cache) aside(r *removal) {
	time.AfterFunc(asideGrace, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.gone[r.obj.Key] == r {
			r.aside = false
			c.out.Remove(r.obj)
		}
	})
}

// setAside moves a file that S3 holds to a name that stays on this machine: its
// bytes are brought here, and S3 keeps the object until a new file of its name
// replaces it, or for a while.
func (c *Cache) setAside(ctx context.Context, from, to place, src, dst Attr) (Version, error) {
	room, err := c.makeRoom(ctx, to.key(), dst)
	if err != nil {
		return Version{}, err
	}
	taken := false
	defer func() {
		if !taken {
			room.leave()
		}
	}()
	old := s3backend.Object{Key: from.key(), Size: src.Size, ETag: src.ETag, Class: src.Class}
	c.mu.Lock()
	f := c.newFileLocked(to.key())
	c.mu.Unlock()
	it, err := f.begin(s3backend.Object{}, old)
	if err != nil {
		return Version{}, err
	}
	if err := it.Fetch(ctx); err != nil {
		it.Drop()
		c.mu.Lock()
		c.files.drop(f)
		delete(c.owed, it)
		f.endItemLocked(it)
		c.mu.Unlock()
		return Version{}, err
	}
	if err := it.SetMtime(src.Mtime); err != nil {
		return Version{}, err
	}
	taken = true
	room.take()
	c.mu.Lock()
	r := &removal{obj: old, aside: true, keep: true}
	c.gone[old.Key] = r
	if g := c.files.get(old.Key); g != nil {
		c.files.drop(g)
		g.unnamed = true
	}
	f.held, f.staged = false, false
	c.mu.Unlock()
	it.Release()
	it.Close()
	c.aside(r)
	return f.Version(), nil
}
