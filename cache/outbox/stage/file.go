package stage

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/s3share/s3share/cache/hole"
)

// DonePrefix begins the name of a staged file whose item was delivered or dropped. It gets it
// before its journal ends: so bytes without a journal and without this name are bytes whose
// journal is lost.
const DonePrefix = "done-"

// File is a sparse file of staged bytes: in a slot while it is small and new, else a file of
// its own. Its methods may be called by any goroutine.
type File struct {
	path string // of the file, also while it is in a slot
	// spill calls MoveToFile. It is called without mu.
	spill func() error

	// mu guards the fields below. It is held while bytes are read or written, so that
	// they do not move meanwhile.
	mu    sync.RWMutex
	users int      // the file is open while there are users: waiting files need no descriptors
	file  *os.File // nil without users, or in a slot
	slot  *Slot    // nil: it has a file of its own
	size  int64    // in a slot
	gone  bool     // the slot was given back
}

// createFile creates the file at path, unless it is in a slot. The caller is its first user.
func createFile(path string, slot *Slot, spill func() error) (*File, error) {
	f := &File{path: path, users: 1, slot: slot, spill: spill}
	if slot != nil {
		return f, nil
	}
	var err error
	f.file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	return f, err
}

// OpenFile returns the bytes that an earlier process has staged: size bytes in slot, or the
// file at path if slot is nil. spill is called when a file in a slot grows beyond
// SlotPayload, and has to call MoveToFile.
func OpenFile(path string, slot *Slot, size int64, spill func() error) *File {
	return &File{path: path, slot: slot, size: size, spill: spill}
}

// open adds a user, who calls close. If the file is not at its path any more, open succeeds
// only while there is another user.
func (f *File) open() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.users == 0 && f.slot == nil {
		file, err := os.OpenFile(f.path, os.O_RDWR, 0)
		if err != nil {
			return fmt.Errorf("the staged file is gone: %w", err)
		}
		f.file = file
	}
	f.users++
	return nil
}

func (f *File) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.users--; f.users == 0 && f.file != nil {
		f.file.Close()
		f.file = nil
	}
}

// ReadAt implements io.ReaderAt. The error is os.ErrClosed if the file has no user.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	switch {
	case f.closedLocked():
		return 0, os.ErrClosed
	case f.slot == nil:
		return f.file.ReadAt(p, off)
	}
	return f.readSlot(p, off)
}

func (f *File) closedLocked() bool { return f.users == 0 || f.gone }

// readSlot is ReadAt in a slot. The caller holds mu.
func (f *File) readSlot(p []byte, off int64) (int, error) {
	if off >= f.size {
		return 0, io.EOF
	}
	short := int64(len(p)) > f.size-off
	n, err := f.slot.File.ReadAt(f.slot.N, p[:min(int64(len(p)), f.size-off)], SlotLogSize+off)
	if err == nil && short {
		err = io.EOF
	}
	return n, err
}

// WriteAt implements io.WriterAt.
func (f *File) WriteAt(p []byte, off int64) (int, error) {
	n := 0
	err := f.change(off+int64(len(p)), func() (err error) {
		if f.slot == nil {
			n, err = f.file.WriteAt(p, off)
			return err
		}
		if err := f.zeroLocked(f.size, off); err != nil {
			return err
		}
		n, err = f.slot.File.WriteAt(f.slot.N, p, SlotLogSize+off)
		f.size = max(f.size, off+int64(n))
		return err
	})
	return n, err
}

// Truncate sets the size.
func (f *File) Truncate(size int64) error {
	return f.change(size, func() error {
		if f.slot == nil {
			return f.file.Truncate(size)
		}
		err := f.zeroLocked(f.size, size)
		if err == nil {
			f.size = size
		}
		return err
	})
}

// punch makes [off, end) read as zero.
func (f *File) punch(off, end int64) error {
	return f.change(0, func() error {
		if f.slot == nil {
			return hole.Punch(f.file, off, end-off)
		}
		return f.zeroLocked(off, min(end, f.size))
	})
}

// change calls do, which may make the file as long as end, with mu held: for reading if it has
// a file of its own, so that users write at the same time, and for writing in a slot.
func (f *File) change(end int64, do func() error) error {
	f.mu.RLock()
	inSlot := f.slot != nil
	if !inSlot {
		defer f.mu.RUnlock()
		if f.closedLocked() {
			return os.ErrClosed
		}
		return do()
	}
	f.mu.RUnlock()
	if end > SlotPayload {
		if err := f.spill(); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closedLocked() {
		return os.ErrClosed
	}
	return do()
}

// zeroLocked writes zeros into [off, end) of a slot, which may have bytes of an earlier file
// there.
func (f *File) zeroLocked(off, end int64) error {
	if off >= end {
		return nil
	}
	_, err := f.slot.File.WriteAt(f.slot.N, make([]byte, end-off), SlotLogSize+off)
	return err
}

// Sync returns when the bytes are on the disk.
func (f *File) Sync() error {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.slot != nil {
		return f.slot.File.Sync()
	}
	if f.closedLocked() {
		return os.ErrClosed
	}
	return f.file.Sync()
}

// MoveToFile moves the bytes from the slot to a file, and calls then before anybody reads or
// writes there. If that fails, the bytes stay in the slot.
func (f *File) MoveToFile(then func() error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.slot == nil {
		return nil
	}
	p := make([]byte, f.size)
	if _, err := f.readSlot(p, 0); err != nil && f.size > 0 {
		return err
	}
	file, err := os.OpenFile(f.path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("cannot stage: %w", err)
	}
	if _, err = file.Write(p); err == nil {
		err = then()
	}
	if err != nil {
		return errors.Join(err, file.Close(), os.Remove(f.path))
	}
	f.slot = nil
	if f.file = file; f.users == 0 {
		f.file = nil
		return file.Close()
	}
	return nil
}

// Bytes returns all bytes of a file that is in a slot, else nil.
func (f *File) Bytes() []byte {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.slot == nil {
		return nil
	}
	p := make([]byte, f.size)
	if n, err := f.readSlot(p, 0); err != nil || n < len(p) {
		return nil
	}
	return p
}

// done renames the file to the name of one that is not pending any more, and returns that.
func (f *File) done() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	dir, name := filepath.Split(f.path)
	if strings.HasPrefix(name, DonePrefix) {
		return f.path
	}
	to := filepath.Join(dir, DonePrefix+name)
	if f.slot != nil {
		f.path = to // the name that the file gets if it outgrows its slot
		return ""
	}
	// If that fails, it is removed under its old name.
	if os.Rename(f.path, to) == nil {
		f.path = to
	}
	return f.path
}

// remove removes the file, or gives the slot back.
func (f *File) remove() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.slot == nil {
		os.Remove(f.path)
		return
	}
	f.slot.Free()
	f.slot, f.gone = nil, true
}

// ErrNotWritten is returned for staged bytes that are not those that were written.
var ErrNotWritten = errors.New("what is staged is not what was written")

// Check compares the CRC-32 of the first size bytes. In a slot, they may be those of an earlier
// file if the machine stopped. The error is ErrNotWritten if they are others or fewer.
func (f *File) Check(size int64, want uint32) error {
	if err := f.open(); err != nil {
		return err
	}
	defer f.close()
	h := crc32.NewIEEE()
	n, err := io.Copy(h, io.NewSectionReader(f, 0, size))
	if err != nil {
		return fmt.Errorf("the staged file: %w", err)
	}
	if n < size || h.Sum32() != want {
		return ErrNotWritten
	}
	return nil
}
