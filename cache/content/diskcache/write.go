package diskcache

import (
	"hash/crc32"
	"os"
	"time"
)

const (
	// MaxBatch is how many blocks may be written at a time. Of what the disk cannot keep up
	// with, so much stays together.
	MaxBatch   = 64
	pauseAfter = 10 * time.Second // how long nothing is written after a failure
	tempExt    = ".temp"
)

// Block is a block of an entry, to be written. The caller uses the entry.
type Block struct {
	Entry *Entry
	Index int64
	Bytes []byte
}

// Write writes blocks, MaxBatch at most, which are all of one entry or all of small ones. It
// returns how many bytes were written: where there is no room, or writing fails, these are
// fewer, and reads go on without. Files are written by lowly. Only the writer may call it.
func (d *Cache) Write(blocks []Block, lowly func(func())) (bytes int64) {
	if blocks[0].Entry.IsSmall() {
		return d.writeSmall(blocks, lowly)
	}
	e := blocks[0].Entry
	var f DataFile
	var err error
	written := 0
	crcs := make([]uint32, len(blocks))
	if d.room(e, int64(len(blocks))*BlockSize) {
		f, err = d.dataToWrite(e, lowly)
	}
	if f != nil && err == nil {
		lowly(func() {
			for i, b := range blocks {
				crcs[i] = crc32.Checksum(b.Bytes, castagnoli)
				if _, err = f.WriteAt(b.Bytes, b.Index*BlockSize); err != nil {
					return
				}
				written++
			}
		})
	}
	d.wrote(e, blocks[:written], crcs)
	if err != nil {
		d.failed(err)
	}
	for _, b := range blocks[:written] {
		bytes += int64(len(b.Bytes))
	}
	return bytes
}

// dataToWrite returns the data file of e, which it makes if it is not e's yet.
func (d *Cache) dataToWrite(e *Entry, lowly func(func())) (f DataFile, err error) {
	d.mu.Lock()
	f = e.file
	made := e.made
	d.mu.Unlock()
	if made && f != nil {
		return f, nil
	}
	flag := os.O_CREATE | os.O_TRUNC
	if made {
		flag = os.O_CREATE // it may have been removed: the sums will show it
	}
	lowly(func() { f, err = d.OpenFile(d.path(e, dataExt), os.O_RDWR|flag) })
	if err != nil {
		return nil, err
	}
	f = d.usesFile(e, f)
	if !made {
		d.mu.Lock()
		e.made = true
		d.resizeLocked(e, 0)
		d.mu.Unlock()
	}
	return f, nil
}

// wrote records the blocks of e as present.
func (d *Cache) wrote(e *Entry, blocks []Block, crcs []uint32) {
	if len(blocks) == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, b := range blocks {
		e.sums.set(b.Index, crcs[i])
		d.resizeLocked(e, e.bytes+BlockSize)
	}
	d.dirtyLocked(e)
}
