// Package slotfile keeps many small items in one file, each in a slot of a fixed size.
//
// Creating and removing a file costs far more than the few bytes in it: ext4 looks past
// every inode that was removed within the last minute before it finds one to use, which
// was most of what a small file cost here. A slot is allocated and freed without asking
// the file system for anything.
package slotfile

import (
	"fmt"
	"os"
	"sync"

	"github.com/s3share/s3share/cache/hole"
)

// File is a file of slots of one size. Any goroutine may call its methods. The file does
// not record which slots are in use: the caller does.
type File struct {
	file *os.File
	size int64 // of a slot, in bytes
	max  int   // slots

	// mu guards the fields below.
	mu   sync.Mutex
	free []int // the one freed last comes last: its pages are the likeliest to be in memory
	end  int   // slots from here on were never allocated
}

// Open opens the slot file at path, or creates it, with at most max slots of size bytes.
// All slots that an earlier process may have allocated are in use until they are freed.
// It is an error if the file has more than max slots.
func Open(path string, size int64, max int) (*File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	end := (info.Size() + size - 1) / size
	if end > int64(max) {
		f.Close()
		return nil, fmt.Errorf("%s has %d bytes, more than %d slots of %d",
			path, info.Size(), max, size)
	}
	return &File{file: f, size: size, max: max, end: int(end)}, nil
}

// Len returns how many slots were ever allocated: the slots below it.
func (f *File) Len() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.end
}

// InUse returns how many slots are allocated and not freed.
func (f *File) InUse() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.end - len(f.free)
}

// Alloc returns a free slot, or false where there is none.
func (f *File) Alloc() (slot int, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := len(f.free); n > 0 {
		slot = f.free[n-1]
		f.free = f.free[:n-1]
		return slot, true
	}
	if f.end == f.max {
		return 0, false
	}
	f.end++
	return f.end - 1, true
}

// Free frees a slot. Its bytes stay as they are.
func (f *File) Free(slot int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.free = append(f.free, slot)
}

// Punch frees a slot and its disk blocks. The slot is free even where that is an error.
func (f *File) Punch(slot int) error {
	err := hole.Punch(f.file, int64(slot)*f.size, f.size)
	f.Free(slot)
	return err
}

// ReadAt reads the bytes of a slot from off on.
func (f *File) ReadAt(slot int, p []byte, off int64) (int, error) {
	return f.file.ReadAt(p, int64(slot)*f.size+off)
}

// WriteAt writes p into a slot at off. The caller makes sure that it fits.
func (f *File) WriteAt(slot int, p []byte, off int64) (int, error) {
	return f.file.WriteAt(p, int64(slot)*f.size+off)
}

// Sync returns when all that was written is on the disk.
func (f *File) Sync() error { return f.file.Sync() }

// Close closes the file and keeps its content.
func (f *File) Close() error { return f.file.Close() }
