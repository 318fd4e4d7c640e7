package diskcache

import (
	"cmp"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/s3share/s3share/cache/freespace"
)

// What follows changes the directory: only the writer may call it.

// failed pauses writing after err.
func (d *Cache) failed(err error) {
	d.log.Warn("disk cache: cannot write; reads go on without", "dir", d.dir, "err", err)
	d.mu.Lock()
	d.paused = time.Now().Add(pauseAfter)
	d.mu.Unlock()
	if errors.Is(err, unix.ENOSPC) {
		d.evict(MaxBatch * BlockSize)
	}
}

// room reports whether n more bytes of e may be written.
func (d *Cache) room(e *Entry, n int64) bool {
	d.mu.Lock()
	no := e.dead || d.pausedLocked()
	d.mu.Unlock()
	return !no && d.fits(n)
}

// pausedLocked reports whether writing has failed just now.
func (d *Cache) pausedLocked() bool { return time.Now().Before(d.paused) }

// fits reports whether there is room for n more bytes. It evicts what was used
// longest ago to make it so.
func (d *Cache) fits(n int64) bool {
	d.mu.Lock()
	over := d.bytes + n - d.limit
	d.mu.Unlock()
	if total, free, err := freespace.Of(d.dir); err == nil {
		over = max(over, d.floor(total)+n-free)
	}
	return over <= 0 || d.evict(over)
}

// floor returns how many bytes stay free on the cache's disk, which has so many: twice what
// the outbox leaves, so that files can be written however much was read.
func (d *Cache) floor(total int64) int64 {
	if d.minFree > 0 {
		return d.minFree
	}
	return 2 * freespace.Floor(total)
}

// evict removes entries that nobody uses until n bytes are free of them, oldest
// use first, and reports whether there were enough.
func (d *Cache) evict(n int64) bool {
	var gone []*Entry
	d.mu.Lock()
	for range d.entries.Len() {
		if n <= 0 {
			break
		}
		name, e, _ := d.entries.GetOldest()
		if e.users > 0 {
			d.entries.Get(name) // in use: it is not the oldest
			continue
		}
		n -= e.bytes
		d.deadLocked(e)
		gone = append(gone, e)
	}
	d.mu.Unlock()
	for _, e := range gone {
		d.remove(e)
	}
	return n <= 0
}

// Flush writes the indexes that are out of date, and notes in the
// times of the others when they were used, for the next scan. Files are written by lowly.
func (d *Cache) Flush(lowly func(func())) {
	d.mu.Lock()
	changed := slices.SortedFunc(maps.Keys(d.changed),
		func(a, b *Entry) int { return cmp.Compare(a.used, b.used) })
	clear(d.changed)
	d.mu.Unlock()
	now := time.Now().Add(-time.Duration(len(changed)))
	for some := range slices.Chunk(changed, MaxBatch) {
		lowly(func() {
			for _, e := range some {
				now = now.Add(1)
				d.flushOne(e, now)
			}
		})
	}
}

// flushOne is Flush for e, which was used at that time.
func (d *Cache) flushOne(e *Entry, used time.Time) {
	var b []byte
	d.mu.Lock()
	rec := e.slot
	switch {
	case e.dead:
	case rec != nil:
		rec.used = used.UnixNano()
	case e.dirty:
		x := index{e.obj.Key, e.obj.ETag, e.obj.Size, e.sums}
		b = x.encode()
	}
	dead := e.dead
	e.dirty = false
	d.mu.Unlock()
	switch {
	case dead:
		return
	case rec != nil:
		if err := d.slots.writeRecord(rec); err != nil {
			d.log.Warn("disk cache: cannot write", "file", listFile, "err", err)
		}
		return
	case b != nil:
		d.writeIndex(e, b)
	}
	_ = os.Chtimes(d.path(e, indexExt), used, used) // what never was written has none
}

// writeIndex replaces the index file of e. A crash leaves the old one or the
// new; that neither is synced is no harm, as all bytes are checked by their sums.
func (d *Cache) writeIndex(e *Entry, b []byte) {
	temp := d.path(e, tempExt)
	err := os.WriteFile(temp, b, 0o600)
	if err == nil {
		err = os.Rename(temp, d.path(e, indexExt))
	}
	if err != nil {
		os.Remove(temp)
		d.log.Warn("disk cache: cannot write an index", "err", err)
	}
}

// closeFiles closes the data files that Readers left open.
func (d *Cache) closeFiles() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.entries.Values() {
		if e.file != nil {
			e.file.Close()
			e.file = nil
		}
	}
}

// Scan finds what an earlier process left, and removes of it what is more than the limits
// allow. It reads names and sizes only. Only the writer may call it, once, before all else.
func (d *Cache) Scan() {
	d.scan()
	d.fits(0) // the limits may be others than last time
}

func (d *Cache) scan() {
	names, err := os.ReadDir(d.dir)
	if err != nil {
		d.log.Warn("disk cache: cannot list its directory", "err", err)
		return
	}
	type found struct {
		name  string
		bytes int64
		used  time.Time
	}
	var all []found
	stray := make(map[string]bool) // data files without index
	for _, n := range names {
		name, ext := strings.TrimSuffix(n.Name(), filepath.Ext(n.Name())), filepath.Ext(n.Name())
		switch ext {
		case tempExt:
			os.Remove(filepath.Join(d.dir, n.Name()))
		case dataExt:
			stray[name] = true // its index comes later in the listing
		case indexExt:
			delete(stray, name)
			i, err1 := n.Info()
			data, err2 := os.Stat(filepath.Join(d.dir, name+dataExt))
			if err1 != nil || err2 != nil {
				os.Remove(filepath.Join(d.dir, n.Name()))
				continue
			}
			all = append(all, found{name, occupied(data), i.ModTime()})
		}
	}

	d.mu.Lock()
	for name, p := range d.slots.found {
		all = append(all, found{name, BlockSize, time.Unix(0, p.used)})
	}
	slices.SortFunc(all, func(a, b found) int { return a.used.Compare(b.used) })
	opened := d.entries.Keys()
	for _, f := range all {
		if !d.entries.Contains(f.name) {
			e := &Entry{d: d, name: f.name, slot: d.slots.found[f.name]}
			d.entries.Add(f.name, e)
			d.resizeLocked(e, f.bytes)
		}
	}
	d.slots.found = nil
	d.scanned = true
	for _, name := range opened {
		d.entries.Get(name) // used after all that was found
		delete(stray, name)
	}
	d.mu.Unlock()
	for name := range stray {
		os.Remove(filepath.Join(d.dir, name+dataExt))
	}
}

// occupied is what a file takes on disk, in bytes.
func occupied(i fs.FileInfo) int64 {
	if st, ok := i.Sys().(*syscall.Stat_t); ok {
		return st.Blocks * 512
	}
	return i.Size()
}
