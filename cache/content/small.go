package content

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

// small is the part of the disk cache that keeps versions of one block: their bytes
// in a tray, and what is where in a list beside it, both of them files that are
// rewritten in place. A record is checked by its own sum, and the bytes by the sum in
// the record, so that no crash makes one version's bytes another's.
type small struct {
	tray *slotfile.File
	list *os.File
	// found are the spots of an earlier process that have no entry yet, by the
	// entry's name; nil once all have. Guarded by disk.mu.
	found map[string]*spot
}

// spot is the place of one version in the tray, and what the list says of it.
type spot struct {
	place int
	name  [nameLen]byte
	id    [16]byte // a hash of key and ETag, since names are short
	size  uint32
	crc   uint32
	used  int64 // when it was used last: Unix time in nanoseconds
}

const (
	trayFile, listFile = "small.tray", "small.list"
	nameLen            = 33 // of what nameOf returns
	recordLen          = 72 // of a spot in the list; the last four bytes are the CRC32C of the others
)

// openSmall opens what dir holds of small versions. limit is in bytes.
func openSmall(dir string, limit int64) (*small, error) {
	path, places := filepath.Join(dir, trayFile), int(max(1, limit/blockSize))
	t, err := slotfile.Open(path, blockSize, places)
	if err != nil { // among others, the limit was higher: this is but a cache
		os.Remove(path)
		t, err = slotfile.Open(path, blockSize, places)
	}
	if err != nil {
		return nil, err
	}
	list, err := os.OpenFile(filepath.Join(dir, listFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Close()
		return nil, err
	}
	s := &small{tray: t, list: list, found: make(map[string]*spot)}
	records, err := io.ReadAll(list)
	if err != nil {
		s.close()
		return nil, err
	}
	for place := range t.Len() {
		p := decodeSpot(records[min(place*recordLen, len(records)):])
		if p == nil {
			t.Free(place)
			continue
		}
		p.place = place
		if twice := s.found[string(p.name[:])]; twice != nil {
			t.Free(twice.place)
		}
		s.found[string(p.name[:])] = p
	}
	return s, nil
}

func (s *small) close() {
	s.tray.Close()
	s.list.Close()
}

// encode returns the record of p.
func (p *spot) encode() []byte {
	b := make([]byte, 0, recordLen)
	b = append(b, p.name[:]...)
	b = append(b, p.id[:]...)
	b = binary.LittleEndian.AppendUint32(b, p.size)
	b = binary.LittleEndian.AppendUint32(b, p.crc)
	b = binary.LittleEndian.AppendUint64(b, uint64(p.used))
	b = append(b, make([]byte, recordLen-4-len(b))...)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// decodeSpot reads the record at the beginning of b, nil where there is none.
func decodeSpot(b []byte) *spot {
	const sum = recordLen - 4
	if len(b) < recordLen || binary.LittleEndian.Uint32(b[sum:]) != crc32.Checksum(b[:sum], castagnoli) {
		return nil
	}
	p := new(spot)
	b = b[copy(p.name[:], b):]
	b = b[copy(p.id[:], b):]
	p.size, p.crc = binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
	p.used = int64(binary.LittleEndian.Uint64(b[8:]))
	return p
}

// spotFor is the spot of e's version, in a place that is taken for it; nil where
// there is none. The caller holds disk.mu.
func (s *small) spotFor(e *entry) *spot {
	if e.spot != nil {
		return e.spot // its bytes were found damaged
	}
	place, ok := s.tray.Alloc()
	if !ok {
		return nil
	}
	p := &spot{place: place, id: idOf(e), size: uint32(e.obj.Size)}
	copy(p.name[:], e.name)
	return p
}

func idOf(e *entry) [16]byte {
	h := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s", e.obj.Key, e.obj.ETag))
	return [16]byte(h[:])
}

// write writes the bytes of p and then its record.
func (s *small) write(p *spot, bytes []byte) error {
	if _, err := s.tray.WriteAt(p.place, bytes, 0); err != nil {
		return err
	}
	return s.note(p)
}

// note writes the record of p.
func (s *small) note(p *spot) error {
	_, err := s.list.WriteAt(p.encode(), int64(p.place)*recordLen)
	return err
}

// remove gives up the place of p.
func (s *small) remove(p *spot) error {
	_, err := s.list.WriteAt(make([]byte, recordLen), int64(p.place)*recordLen)
	return cmp.Or(s.tray.Punch(p.place), err)
}

// isSmall tells versions that are kept in the tray.
func (e *entry) isSmall() bool { return e.obj.Size <= blockSize }

// readSpot is readIndex for what the tray has of e, and tells whether it has it.
func (d *disk) readSpot(e *entry) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if p := d.small.found[e.name]; p != nil {
		delete(d.small.found, e.name)
		e.spot = p
	}
	switch {
	case e.spot == nil:
	case e.spot.id == idOf(e) && int64(e.spot.size) == e.obj.Size:
		e.sums.set(0, e.spot.crc)
		e.made = true
		d.resizeLocked(e, blockSize)
	default: // of another version, whose name is the same
		p := e.spot
		e.spot = nil
		d.resizeLocked(e, 0)
		d.jobs = append(d.jobs, func() { d.giveUp(p) })
	}
	return e.spot != nil
}

// giveUp removes p from the tray. Only keep may call it.
func (d *disk) giveUp(p *spot) {
	if err := d.small.remove(p); err != nil {
		d.log.Warn("disk cache: cannot remove", "file", trayFile, "error", err)
	}
}

// spots returns where each of batch is to go, nil for nowhere. Only keep may call it.
func (d *disk) spots(batch []saving) []*spot {
	spots := make([]*spot, len(batch))
	if !d.fits(int64(len(batch)) * blockSize) {
		return spots
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.pausedLocked() {
		return spots
	}
	for i, s := range batch {
		if !s.e.dead {
			spots[i] = d.small.spotFor(s.e)
		}
	}
	return spots
}

// placedLocked notes that p holds the bytes of e.
func (d *disk) placedLocked(e *entry, p *spot) {
	if e.dead { // forgotten meanwhile
		e.spot = nil
		d.jobs = append(d.jobs, func() { d.giveUp(p) })
		return
	}
	if old := e.spot; old != nil && old != p {
		d.jobs = append(d.jobs, func() { d.giveUp(old) })
	}
	e.spot, e.made = p, true
	e.sums.set(0, p.crc)
	d.resizeLocked(e, blockSize)
	d.changed[e] = struct{}{}
}

// saveSmall writes batch, which are blocks of small versions, and unpins it.
func (c *Cache) saveSmall(batch []saving, lowly func(func())) {
	d := c.disk
	spots := d.spots(batch)
	written := 0
	var err error
	lowly(func() {
		for i, s := range batch {
			if p := spots[i]; p != nil {
				bytes := c.mem.bytes(s.b.slot)[:s.b.v.length(0)]
				p.crc = crc32.Checksum(bytes, castagnoli)
				if err = d.small.write(p, bytes); err != nil {
					return
				}
			}
			written++
		}
	})
	if err != nil {
		d.failed(err)
	}
	toDisk := int64(0)
	d.mu.Lock()
	for i, s := range batch {
		switch p := spots[i]; {
		case p == nil:
		case i >= written:
			s.e.spot = nil
			d.jobs = append(d.jobs, func() { d.giveUp(p) })
		default:
			d.placedLocked(s.e, p)
			toDisk += int64(p.size)
		}
	}
	d.mu.Unlock()
	c.mu.Lock()
	c.stats.ToDisk += toDisk
	for _, s := range batch {
		c.unpinLocked(s.b)
	}
	c.mu.Unlock()
	for _, s := range batch {
		d.close(s.e)
	}
}
