package diskcache

import (
	"hash/crc32"

	"github.com/s3share/s3share/s3backend"
)

// maxInserted bounds the bytes that wait to be written after Insert.
const maxInserted = 4 << 20

// Insert writes p, which is all of obj, in the background. p is the Cache's from now on. Where
// that cannot be, for want of an ETag or room, or because obj has more than one block, nothing
// is cached.
func (d *Cache) Insert(obj s3backend.Object, p []byte) {
	if obj.ETag == "" || obj.Size > BlockSize || int64(len(p)) != obj.Size {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closing || d.inserted+obj.Size > maxInserted {
		return
	}
	d.inserted += obj.Size
	d.jobs = append(d.jobs, func() { d.insert(obj, p) })
	d.Wake()
}

// insert is Insert; only the writer may call it.
func (d *Cache) insert(obj s3backend.Object, p []byte) {
	d.mu.Lock()
	d.inserted -= obj.Size
	d.mu.Unlock()
	e := d.Open(obj)
	if e == nil {
		return
	}
	defer d.Release(e)
	if e.Has(0) || !d.room(e, BlockSize) {
		return
	}
	d.mu.Lock()
	s := d.slots.allocFor(e)
	d.mu.Unlock()
	if s == nil {
		return
	}
	s.crc = crc32.Checksum(p, castagnoli)
	if err := d.slots.write(s, p); err != nil {
		d.freeSlot(s)
		d.failed(err)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.storedLocked(e, s)
}
