package content

import (
	"errors"
	"fmt"
	"hash/crc32"
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
	if !d.do(func() { done <- c.adopt(obj, path) }) {
		return os.Remove(path)
	}
	return <-done
}

// adopt is Adopt; only keep may call it.
func (c *Cache) adopt(obj s3backend.Object, path string) error {
	d := c.disk
	i, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !i.Mode().IsRegular() || i.Size() != obj.Size {
		os.Remove(path)
		return fmt.Errorf("content: %s has %d bytes, %q has %d", path, i.Size(), obj.Key, obj.Size)
	}
	e := &entry{d: d, name: nameOf(obj), obj: obj, made: true}
	e.load.Do(func() {}) // there is no index to read
	e.sums.fill(blocksIn(obj.Size))
	bytes := e.sums.count() * blockSize
	if bytes > d.limit || !d.fits(bytes) || os.Chmod(path, 0o600) != nil {
		return os.Remove(path)
	}
	// First the index, so that none is ever beside another's data.
	os.Remove(d.path(e, indexExt))
	if os.Rename(path, d.path(e, dataExt)) != nil {
		return os.Remove(path)
	}

	d.mu.Lock()
	if old, ok := d.entries.Peek(e.name); ok {
		d.deadLocked(old)
	}
	d.useLocked(e)
	d.resizeLocked(e, bytes)
	d.unsummed = append(d.unsummed, e)
	d.mu.Unlock()
	d.wake()

	c.mu.Lock()
	if v := c.versions[versionID{obj.Key, obj.ETag}]; v != nil && v.obj.Size == obj.Size {
		v.disk = e
	}
	c.mu.Unlock()
	return nil
}

// sumSome computes the CRCs of some blocks of an adopted file and reports
// whether there were any. Until then they are not checked when they are read.
func (d *disk) sumSome(lowly func(func())) bool {
	d.mu.Lock()
	if len(d.unsummed) == 0 {
		d.mu.Unlock()
		return false
	}
	e := d.unsummed[0]
	n := blocksIn(e.obj.Size)
	from := e.summed
	end := min(n, from+batchMax)
	e.summed = end
	if e.dead || end == n {
		d.unsummed = d.unsummed[1:]
	}
	e.users++
	d.mu.Unlock()
	defer d.close(e)

	var crcs [batchMax]uint32
	f, err := d.data(e)
	if err == nil {
		lowly(func() {
			p := make([]byte, blockSize)
			for i := from; i < end && err == nil; i++ {
				q := p[:min(blockSize, e.obj.Size-i*blockSize)]
				_, err = f.ReadAt(q, i*blockSize)
				crcs[i-from] = crc32.Checksum(q, castagnoli)
			}
		})
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		d.log.Warn("disk cache: an adopted file cannot be read", "key", e.obj.Key, "error", err)
		d.killLocked(e)
		return true
	}
	for i := from; i < end; i++ {
		if e.sums.has(i) {
			e.sums.set(i, crcs[i-from])
		}
	}
	d.dirtyLocked(e)
	return true
}
