package stage

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/s3share/s3share/cache/slotfile"
)

const (
	// SlotFileName is the name of the slot file. It changes with the layout of a slot.
	SlotFileName = "tray-64k"
	// SlotSize is the size of a slot: a page for the journal, then the staged bytes.
	SlotSize = 64 << 10
	// SlotLogSize is the maximum size of a journal in a slot. All its lines lie in one page of
	// memory, so that a line is there whole or not at all.
	SlotLogSize = 4 << 10
	// SlotPayload is the maximum number of staged bytes in a slot.
	SlotPayload = SlotSize - SlotLogSize
	// maxSlots limits the slots. If none is free, a new item gets files of its own.
	maxSlots = 4096
)

// Slot has the journal and the staged bytes of a small new file, instead of two files, until
// one of them needs more. The journal is lines followed by zeros. The caller orders the calls
// of methods that change the journal.
type Slot struct {
	File *slotfile.File
	N    int // its number in File

	logged int  // bytes of the journal
	broken bool // the journal may have more than that: the slot is not used again
}

// OpenSlots opens the slot file in dir, or creates it. An existing file may have any number of
// slots.
func OpenSlots(dir string) (*slotfile.File, error) {
	path, slots := filepath.Join(dir, SlotFileName), int64(maxSlots)
	if info, err := os.Stat(path); err == nil {
		slots = max(slots, (info.Size()+SlotSize-1)/SlotSize)
	}
	return slotfile.Open(path, SlotSize, int(slots))
}

// AllocSlot returns a slot with an empty journal, or nil if none is free.
func AllocSlot(f *slotfile.File) *Slot {
	n, ok := f.Alloc()
	if !ok {
		return nil
	}
	return &Slot{File: f, N: n}
}

// OpenSlot returns the slot that an earlier process has used, and the lines of its journal.
func OpenSlot(f *slotfile.File, n int) (*Slot, []byte, error) {
	s := &Slot{File: f, N: n}
	lines, err := s.Log()
	s.logged = len(lines)
	return s, lines, err
}

var (
	// ErrSlotFull is returned if a slot has no space for a line of the journal.
	ErrSlotFull = errors.New("no space in its slot")
	errBroken   = errors.New("cannot keep the journal: its last line could not be taken back")
)

// emptyLog is a journal without lines.
var emptyLog [SlotLogSize]byte

// AppendLog appends lines to the journal, all or none. The error is ErrSlotFull, or the disk's.
func (s *Slot) AppendLog(lines []byte) error {
	if s.logged+len(lines) > SlotLogSize {
		return ErrSlotFull
	}
	if s.broken {
		return errBroken
	}
	if _, err := s.File.WriteAt(s.N, lines, int64(s.logged)); err != nil {
		// Remove what was written of the lines.
		_, _ = s.File.WriteAt(s.N, emptyLog[:len(lines)], int64(s.logged))
		if left, rerr := s.Log(); rerr != nil || len(left) != s.logged {
			s.broken = true
		}
		return fmt.Errorf("cannot keep the journal: %w", err)
	}
	s.logged += len(lines)
	return nil
}

// Log returns the lines of the journal.
func (s *Slot) Log() ([]byte, error) {
	page := make([]byte, SlotLogSize)
	if _, err := s.File.ReadAt(s.N, page, 0); err != nil && err != io.EOF {
		return nil, err
	}
	lines, _, _ := bytes.Cut(page, []byte{0})
	return lines, nil
}

// OverwriteLog writes line over what the journal has at off.
func (s *Slot) OverwriteLog(line []byte, off int64) error {
	_, err := s.File.WriteAt(s.N, line, off)
	return err
}

// CutLog removes all but the first n bytes of the journal.
func (s *Slot) CutLog(n int) error {
	_, err := s.File.WriteAt(s.N, emptyLog[:s.logged-n], int64(n))
	s.logged, s.broken = n, s.broken || err != nil
	return err
}

// EndLog removes the journal. The staged bytes stay until the slot is used again. After an error it
// may be called again.
func (s *Slot) EndLog() error {
	n := s.logged
	if s.broken {
		n = SlotLogSize
	}
	if _, err := s.File.WriteAt(s.N, emptyLog[:n], 0); err != nil {
		s.broken = true
		return err
	}
	s.logged, s.broken = 0, false
	return nil
}

// Free gives the slot back, if its journal could be removed.
func (s *Slot) Free() {
	if !s.broken {
		s.File.Free(s.N)
	}
}

// EachLog calls f for the journal of each slot of the slot file in dir that has one, and for
// each that cannot be read, until f returns false. It only reads: another process may use the
// slots.
func EachLog(dir string, f func(n int64, lines []byte, err error) bool) error {
	file, err := os.Open(filepath.Join(dir, SlotFileName))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	page := make([]byte, SlotLogSize)
	for n := range (info.Size() + SlotSize - 1) / SlotSize {
		got, err := file.ReadAt(page, n*SlotSize)
		if err == io.EOF { // the last slot may be short
			err = nil
		}
		lines, _, _ := bytes.Cut(page[:got], []byte{0})
		if err == nil && len(lines) == 0 {
			continue
		}
		if !f(n, lines, err) {
			return nil
		}
	}
	return nil
}

// HasLogs reports whether a slot of the slot file in dir has a journal.
func HasLogs(dir string) (has bool, err error) {
	lerr := EachLog(dir, func(_ int64, _ []byte, e error) bool {
		has, err = e == nil, e
		return false
	})
	return has, errors.Join(lerr, err)
}
