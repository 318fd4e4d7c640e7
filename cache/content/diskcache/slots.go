package diskcache

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"

	"github.com/s3share/s3share/cache/slotfile"
)

// slots is the part of the disk cache that keeps versions of one block: their bytes in a
// slot file, and an index file next to it that lists the slots. Both files are rewritten
// in place. A record is checked by its own sum, and the bytes by the sum in
// the record, so that no crash makes one version's bytes another's.
type slots struct {
	file *slotfile.File
	list *os.File
	// found are the records of an earlier process that have no entry yet, by the
	// entry's name; nil once all have. Guarded by Cache.mu.
	found map[string]*slotRecord
}

// slotRecord is the slot of one version, and what the list says of it.
type slotRecord struct {
	slot int
	name [nameLen]byte
	id   [16]byte // a hash of key and ETag, since names are short
	size uint32
	crc  uint32
	used int64 // when it was used last: Unix time in nanoseconds
}

const (
	slotsFile, listFile = "small.tray", "small.list"
	nameLen             = 33 // of what nameOf returns
	// recordLen is the length of a record in the list. Its last four bytes are the CRC32C of the
	// others.
	recordLen = 72
)

// openSlots opens what dir holds of small versions. limit is in bytes.
func openSlots(dir string, limit int64) (*slots, error) {
	path, n := filepath.Join(dir, slotsFile), int(max(1, limit/BlockSize))
	t, err := slotfile.Open(path, BlockSize, n)
	if err != nil { // among others, the limit was higher: this is but a cache
		os.Remove(path)
		t, err = slotfile.Open(path, BlockSize, n)
	}
	if err != nil {
		return nil, err
	}
	list, err := os.OpenFile(filepath.Join(dir, listFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Close()
		return nil, err
	}
	s := &slots{file: t, list: list, found: make(map[string]*slotRecord)}
	records, err := io.ReadAll(list)
	if err != nil {
		s.close()
		return nil, err
	}
	for slot := range t.Len() {
		p := decodeRecord(records[min(slot*recordLen, len(records)):])
		if p == nil {
			t.Free(slot)
			continue
		}
		p.slot = slot
		if twice := s.found[string(p.name[:])]; twice != nil {
			t.Free(twice.slot)
		}
		s.found[string(p.name[:])] = p
	}
	return s, nil
}

func (s *slots) close() {
	s.file.Close()
	s.list.Close()
}

// encode returns the record of p.
func (p *slotRecord) encode() []byte {
	b := make([]byte, 0, recordLen)
	b = append(b, p.name[:]...)
	b = append(b, p.id[:]...)
	b = binary.LittleEndian.AppendUint32(b, p.size)
	b = binary.LittleEndian.AppendUint32(b, p.crc)
	b = binary.LittleEndian.AppendUint64(b, uint64(p.used))
	b = append(b, make([]byte, recordLen-4-len(b))...)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// decodeRecord reads the record at the beginning of b, nil where there is none.
func decodeRecord(b []byte) *slotRecord {
	const sum = recordLen - 4
	if len(b) < recordLen ||
		binary.LittleEndian.Uint32(b[sum:]) != crc32.Checksum(b[:sum], castagnoli) {
		return nil
	}
	p := new(slotRecord)
	b = b[copy(p.name[:], b):]
	b = b[copy(p.id[:], b):]
	p.size, p.crc = binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
	p.used = int64(binary.LittleEndian.Uint64(b[8:]))
	return p
}

// allocFor returns the record of e's version, in a slot that is allocated for it; nil where
// there is none. The caller holds Cache.mu.
func (s *slots) allocFor(e *Entry) *slotRecord {
	if e.slot != nil {
		return e.slot // its bytes were found damaged
	}
	slot, ok := s.file.Alloc()
	if !ok {
		return nil
	}
	p := &slotRecord{slot: slot, id: idOf(e), size: uint32(e.obj.Size)}
	copy(p.name[:], e.name)
	return p
}

func idOf(e *Entry) [16]byte {
	h := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s", e.obj.Key, e.obj.ETag))
	return [16]byte(h[:])
}

// write writes the bytes of p and then its record.
func (s *slots) write(p *slotRecord, bytes []byte) error {
	if _, err := s.file.WriteAt(p.slot, bytes, 0); err != nil {
		return err
	}
	return s.writeRecord(p)
}

// writeRecord writes the record of p.
func (s *slots) writeRecord(p *slotRecord) error {
	_, err := s.list.WriteAt(p.encode(), int64(p.slot)*recordLen)
	return err
}

// remove frees the slot of p.
func (s *slots) remove(p *slotRecord) error {
	_, err := s.list.WriteAt(make([]byte, recordLen), int64(p.slot)*recordLen)
	return cmp.Or(s.file.Punch(p.slot), err)
}

// IsSmall reports whether the version has one block at most: all such share files.
func (e *Entry) IsSmall() bool { return e.obj.Size <= BlockSize }

// readSlot is readIndex for a version in a slot, and reports whether e is one.
func (d *Cache) readSlot(e *Entry) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case e.slot == nil:
	case e.slot.id == idOf(e) && int64(e.slot.size) == e.obj.Size:
		e.sums.set(0, e.slot.crc)
		e.made = true
		d.resizeLocked(e, BlockSize)
	default: // of another version, whose name is the same
		p := e.slot
		e.slot = nil
		d.resizeLocked(e, 0)
		d.jobs = append(d.jobs, func() { d.freeSlot(p) })
	}
	return e.slot != nil
}

// freeSlot frees the slot of p. Only the writer may call it.
func (d *Cache) freeSlot(p *slotRecord) {
	if err := d.slots.remove(p); err != nil {
		d.log.Warn("disk cache: cannot remove", "file", slotsFile, "err", err)
	}
}

// allocSlots returns the slot that each of blocks is to go to, nil for none. Only the writer may
// call it.
func (d *Cache) allocSlots(blocks []Block) []*slotRecord {
	records := make([]*slotRecord, len(blocks))
	if !d.fits(int64(len(blocks)) * BlockSize) {
		return records
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.pausedLocked() {
		return records
	}
	for i, b := range blocks {
		if !b.Entry.dead {
			records[i] = d.slots.allocFor(b.Entry)
		}
	}
	return records
}

// storedLocked records that the slot of p holds the bytes of e.
func (d *Cache) storedLocked(e *Entry, p *slotRecord) {
	if e.dead { // forgotten meanwhile
		e.slot = nil
		d.jobs = append(d.jobs, func() { d.freeSlot(p) })
		return
	}
	if old := e.slot; old != nil && old != p {
		d.jobs = append(d.jobs, func() { d.freeSlot(old) })
	}
	e.slot, e.made = p, true
	e.sums.set(0, p.crc)
	d.resizeLocked(e, BlockSize)
	d.changed[e] = struct{}{}
}

// writeSmall is Write for blocks of small versions.
func (d *Cache) writeSmall(blocks []Block, lowly func(func())) (bytes int64) {
	records := d.allocSlots(blocks)
	written := 0
	var err error
	lowly(func() {
		for i, b := range blocks {
			if p := records[i]; p != nil {
				p.crc = crc32.Checksum(b.Bytes, castagnoli)
				if err = d.slots.write(p, b.Bytes); err != nil {
					return
				}
			}
			written++
		}
	})
	if err != nil {
		d.failed(err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, b := range blocks {
		switch p := records[i]; {
		case p == nil:
		case i >= written:
			b.Entry.slot = nil
			d.jobs = append(d.jobs, func() { d.freeSlot(p) })
		default:
			d.storedLocked(b.Entry, p)
			bytes += int64(p.size)
		}
	}
	return bytes
}
