package content

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/s3share/s3share/s3backend"
)

// entry is a version on disk. Its fields but the first three are guarded by disk.mu.
type entry struct {
	d    *disk
	name string
	load sync.Once // reads the index

	obj    s3backend.Object // zero until it is opened
	sums   sums
	file   blockFile // nil while nobody uses it
	spot   *spot     // where it is in the tray; nil for nowhere
	made   bool      // the data file is this version's, or the spot
	users  int       // Readers, blocks on their way here, reads and writes
	used   int64     // disk.uses at the last use
	bytes  int64
	summed int64 // blocks before it have been summed; for an adopted file
	dirty  bool  // the index file does not say what sums says
	dead   bool  // no longer in disk.entries
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

func (d *disk) path(e *entry, ext string) string { return filepath.Join(d.dir, e.name+ext) }

// open returns the entry of obj, its index read. It must be closed, if it is not nil.
func (d *disk) open(obj s3backend.Object) *entry {
	name := nameOf(obj)
	d.mu.Lock()
	e, _ := d.entries.Get(name)
	if e == nil {
		e = &entry{d: d, name: name}
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
func (d *disk) useLocked(e *entry) {
	d.uses++
	e.used = d.uses
	d.entries.Add(e.name, e)
	d.changed[e] = struct{}{}
}

// dirtyLocked notes that the index of e must be written.
func (d *disk) dirtyLocked(e *entry) {
	if !e.dead {
		e.dirty = true
		d.changed[e] = struct{}{}
	}
}

// hold makes one more user of e.
func (d *disk) hold(e *entry) {
	d.mu.Lock()
	e.users++
	d.mu.Unlock()
}

// close ends a use of e.
func (d *disk) close(e *entry) {
	d.mu.Lock()
	e.users--
	var f blockFile
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
func (d *disk) readIndex(e *entry) {
	if e.isSmall() && d.readSpot(e) {
		return
	}
	b, err := os.ReadFile(d.path(e, indexExt))
	if err != nil {
		return
	}
	x, err := decodeIndex(b)
	if err != nil {
		d.log.Warn("disk cache: file dropped", "file", e.name+indexExt, "error", err)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if x.key != e.obj.Key || x.etag != e.obj.ETag || x.size != e.obj.Size {
		return
	}
	e.sums, e.made = x.sums, true
	d.resizeLocked(e, e.sums.count()*blockSize)
}

// resizeLocked notes that e takes n bytes.
func (d *disk) resizeLocked(e *entry, n int64) {
	if !e.dead {
		d.bytes += n - e.bytes
	}
	e.bytes = n
}

// has reports whether block i can be read.
func (e *entry) has(i int64) bool {
	e.d.mu.Lock()
	defer e.d.mu.Unlock()
	return !e.dead && e.sums.has(i)
}
