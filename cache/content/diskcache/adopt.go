package diskcache

import (
	"fmt"
	"hash/crc32"
	"os"

	"github.com/s3share/s3share/s3backend"
)

// Adopt makes the file at path, which holds exactly obj's bytes, the data file of obj by a
// rename, and returns its entry. Where that cannot be, for want of room or because path is on
// another file system, the file is removed and the entry is nil. The error is that the file
// was not as promised, or could not be removed. Only the writer may call it.
func (d *Cache) Adopt(obj s3backend.Object, path string) (*Entry, error) {
	i, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !i.Mode().IsRegular() || i.Size() != obj.Size {
		os.Remove(path)
		return nil, fmt.Errorf("content: %s has %d bytes, %q has %d",
			path, i.Size(), obj.Key, obj.Size)
	}
	e := &Entry{d: d, name: nameOf(obj), obj: obj, made: true}
	e.load.Do(func() {}) // there is no index to read
	e.sums.fill(BlocksIn(obj.Size))
	bytes := e.sums.count() * BlockSize
	if bytes > d.limit || !d.fits(bytes) || os.Chmod(path, 0o600) != nil {
		return nil, os.Remove(path)
	}
	// The index is removed first, so that an index never describes the data of another file.
	os.Remove(d.path(e, indexExt))
	if os.Rename(path, d.path(e, dataExt)) != nil {
		return nil, os.Remove(path)
	}

	d.mu.Lock()
	if old, ok := d.entries.Peek(e.name); ok {
		d.deadLocked(old)
	}
	d.useLocked(e)
	d.resizeLocked(e, bytes)
	d.unsummed = append(d.unsummed, e)
	d.mu.Unlock()
	d.Wake()
	return e, nil
}

// SumSome computes the CRCs of some blocks of an adopted file and reports
// whether there were any. Until then they are not checked when they are read.
func (d *Cache) SumSome(lowly func(func())) bool {
	d.mu.Lock()
	if len(d.unsummed) == 0 {
		d.mu.Unlock()
		return false
	}
	e := d.unsummed[0]
	n := BlocksIn(e.obj.Size)
	from := e.summed
	end := min(n, from+MaxBatch)
	e.summed = end
	if e.dead || end == n {
		d.unsummed = d.unsummed[1:]
	}
	e.users++
	d.mu.Unlock()
	defer d.Release(e)

	var crcs [MaxBatch]uint32
	f, err := d.data(e)
	if err == nil {
		lowly(func() {
			p := make([]byte, BlockSize)
			for i := from; i < end && err == nil; i++ {
				q := p[:min(BlockSize, e.obj.Size-i*BlockSize)]
				_, err = f.ReadAt(q, i*BlockSize)
				crcs[i-from] = crc32.Checksum(q, castagnoli)
			}
		})
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		d.log.Warn("disk cache: an adopted file cannot be read", "key", e.obj.Key, "err", err)
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
