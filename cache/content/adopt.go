package content

import (
	"errors"
	"fmt"
	"os"

	"github.com/s3share/s3share/s3backend"
)

// Adopt makes the file at path, which holds exactly obj's bytes, the disk cache's
// copy of obj, by a rename, or keeps the bytes of a small one. Where that cannot
// be, for want of a disk cache, an ETag, room, or because path is on another file
// system, the file is removed and nothing is cached. In any case it is no longer
// the caller's. Its error says that the file was not as promised, or could not be
// removed.
func (c *Cache) Adopt(obj s3backend.Object, path string) error {
	d := c.disk
	if obj.ETag != "" && obj.Size <= blockSize {
		p, err := os.ReadFile(path)
		if err == nil && int64(len(p)) != obj.Size {
			err = fmt.Errorf("content: %s has %d bytes, %q has %d", path, len(p), obj.Key, obj.Size)
		}
		if err == nil {
			c.Insert(obj, p)
		}
		return errors.Join(err, os.Remove(path))
	}
	if d == nil || obj.ETag == "" {
		return os.Remove(path)
	}
	done := make(chan error, 1)
	if !d.AddJob(func() { done <- c.adopt(obj, path) }) {
		return os.Remove(path)
	}
	return <-done
}

// adopt is Adopt; only keep may call it.
func (c *Cache) adopt(obj s3backend.Object, path string) error {
	e, err := c.disk.Adopt(obj, path)
	if e == nil {
		return err
	}
	c.mu.Lock()
	if v := c.versions[versionID{obj.Key, obj.ETag}]; v != nil && v.obj.Size == obj.Size {
		v.disk = e
	}
	c.mu.Unlock()
	return nil
}

// Insert gives the disk cache p, which is all of obj, and is the cache's from now on.
// Where that cannot be, for want of a disk cache, an ETag or room, or because obj has
// more than one block, nothing is cached.
func (c *Cache) Insert(obj s3backend.Object, p []byte) {
	if c.disk != nil {
		c.disk.Insert(obj, p)
	}
}
