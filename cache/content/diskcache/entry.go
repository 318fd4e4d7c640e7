package diskcache

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/s3share/s3share/s3backend"
)

// Entry is a version on disk. Its fields but the first three are guarded by Cache.mu.
type Entry struct {
	d    *Cache
	name string
	load sync.Once // reads the index

	obj    s3backend.Object // zero until it is opened
	sums   sums
	file   DataFile    // nil while nobody uses it
	slot   *slotRecord // of the slot file; nil for none
	made   bool        // the data file is this version's, or the spot
	users  int         // see Cache.Hold
	used   int64       // Cache.uses at the last use
	bytes  int64
	summed int64 // blocks before it have been summed; for an adopted file
	dirty  bool  // the index file does not say what sums says
	dead   bool  // no longer in Cache.entries
}

// nameOf returns the name of obj's files, without their extension.
func nameOf(obj s3backend.Object) string {
	etag := sha256.Sum256([]byte(obj.ETag))
	return fmt.Sprintf("%s%x", keyName(obj.Key), etag[:8])
}

// keyName returns what the names of all versions of key begin with.
func keyName(key string) string {
	h := sha256.Sum256([]byte(key))
	return fmt.Sprintf("%x-", h[:8])
}

const dataExt, indexExt = ".data", ".index"

func (d *Cache) path(e *Entry, ext string) string { return filepath.Join(d.dir, e.name+ext) }

// Open returns the entry of obj, its index read, which the caller uses from now on; nil if
// there can be none. It must be released.
func (d *Cache) Open(obj s3backend.Object) *Entry {
	name := nameOf(obj)
	d.mu.Lock()
	e, _ := d.entries.Get(name)
	if e == nil {
		e = &Entry{d: d, name: name, slot: d.slots.found[name]}
		delete(d.slots.found, name)
		if d.scanned {
			e.load.Do(func() {}) // it would have been found
		}
	}
	if e.obj.Key == "" {
		e.obj = obj
	}
	if e.obj.ETag != obj.ETag || e.obj.Key != obj.Key || e.obj.Size != obj.Size {
		d.mu.Unlock()
		return nil // a version has one size, and a name one version: this is none
	}
	e.users++
	d.useLocked(e)
	d.mu.Unlock()
	e.load.Do(func() { d.readIndex(e) })
	return e
}

// useLocked notes a use of e by a reader.
func (d *Cache) useLocked(e *Entry) {
	d.uses++
	e.used = d.uses
	d.entries.Add(e.name, e)
	d.changed[e] = struct{}{}
}

// dirtyLocked notes that the index of e must be written.
func (d *Cache) dirtyLocked(e *Entry) {
	if !e.dead {
		e.dirty = true
		d.changed[e] = struct{}{}
	}
}

// Hold makes one more user of e: a reader, or a block that is to be written.
func (d *Cache) Hold(e *Entry) {
	d.mu.Lock()
	e.users++
	d.mu.Unlock()
}

// Release ends a use of e.
func (d *Cache) Release(e *Entry) {
	d.mu.Lock()
	e.users--
	var f DataFile
	if e.users == 0 {
		f, e.file = e.file, nil
		if e.bytes == 0 && !e.made && !e.dead {
			d.deadLocked(e) // nothing of it ever came here
		}
	}
	d.mu.Unlock()
	if f != nil {
		f.Close()
	}
}

// readIndex loads what the index file says, if it is obj's and sound.
func (d *Cache) readIndex(e *Entry) {
	if d.readSlot(e) {
		return
	}
	b, err := os.ReadFile(d.path(e, indexExt))
	if err != nil {
		return
	}
	x, err := decodeIndex(b)
	if err != nil {
		d.log.Warn("disk cache: file dropped", "file", e.name+indexExt, "err", err)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if x.key != e.obj.Key || x.etag != e.obj.ETag || x.size != e.obj.Size {
		return
	}
	e.sums, e.made = x.sums, true
	d.resizeLocked(e, e.sums.count()*BlockSize)
}

// resizeLocked notes that e takes n bytes.
func (d *Cache) resizeLocked(e *Entry, n int64) {
	if !e.dead {
		d.bytes += n - e.bytes
	}
	e.bytes = n
}

// Has reports whether block i can be read.
func (e *Entry) Has(i int64) bool {
	e.d.mu.Lock()
	defer e.d.mu.Unlock()
	return !e.dead && e.sums.has(i)
}

// Bytes returns how many bytes the blocks take that can be read.
func (e *Entry) Bytes() int64 {
	e.d.mu.Lock()
	defer e.d.mu.Unlock()
	return e.bytes
}
