package content

import (
	"hash/crc32"

	"github.com/s3share/s3share/s3backend"
)

// mostInserted bounds the bytes that wait to be written after Insert.
const mostInserted = 4 << 20

// Insert gives the disk cache p, which is all of obj, and is the cache's from now on.
// Where that cannot be, for want of a disk cache, an ETag or room, or because obj has
// more than one block, nothing is cached.
func (c *Cache) Insert(obj s3backend.Object, p []byte) {
	d := c.disk
	if d == nil || obj.ETag == "" || obj.Size > blockSize || int64(len(p)) != obj.Size {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closing || d.inserted+obj.Size > mostInserted {
		return
	}
	d.inserted += obj.Size
	d.jobs = append(d.jobs, func() { d.insert(obj, p) })
	d.wake()
}

// insert is Insert; only keep may call it.
func (d *disk) insert(obj s3backend.Object, p []byte) {
	d.mu.Lock()
	d.inserted -= obj.Size
	d.mu.Unlock()
	e := d.open(obj)
	if e == nil {
		return
	}
	defer d.close(e)
	if e.has(0) || !d.room(e, blockSize) {
		return
	}
	d.mu.Lock()
	s := d.small.spotFor(e)
	d.mu.Unlock()
	if s == nil {
		return
	}
	s.crc = crc32.Checksum(p, castagnoli)
	if err := d.small.write(s, p); err != nil {
		d.giveUp(s)
		d.failed(err)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.placedLocked(e, s)
}
