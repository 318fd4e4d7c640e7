// Package tray keeps many small things in one file, each in a place of its own.
//
// To make a file, and to remove one, costs far more than the few bytes in it: ext4
// looks past every inode that was removed in the last minute before it finds one to
// use, which was most of what a small file cost here. A place is taken and given back
// without asking the file system for anything.
package tray

import (
	"fmt"
	"os"
	"sync"

	"github.com/s3share/s3share/cache/hole"
)

// Tray is a file of places of one size. Bytes are read and written by any
// goroutine; what lies where is for the caller to note.
type Tray struct {
	file *os.File
	size int64 // of a place, in bytes
	most int   // places

	// mu guards the fields below.
	mu    sync.Mutex
	given []int // back, the last one last: its pages are the likeliest to be in memory
	end   int   // places from here on were never taken
}

// Open opens the tray at path, or makes it, with places of so many bytes, and so
// many of them at most. All that an earlier process may have taken are taken, until
// they are given back.
func Open(path string, size int64, most int) (*Tray, error) {
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
	if end > int64(most) {
		f.Close()
		return nil, fmt.Errorf("%s has %d bytes, more than %d places of %d", path, info.Size(), most, size)
	}
	return &Tray{file: f, size: size, most: most, end: int(end)}, nil
}

// Len is how many places were ever taken: the first ones.
func (t *Tray) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.end
}

// Taken is how many places are taken.
func (t *Tray) Taken() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.end - len(t.given)
}

// Take returns a place that nobody has, or false where there is none.
func (t *Tray) Take() (place int, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := len(t.given); n > 0 {
		place = t.given[n-1]
		t.given = t.given[:n-1]
		return place, true
	}
	if t.end == t.most {
		return 0, false
	}
	t.end++
	return t.end - 1, true
}

// Give gives a place back. Its bytes stay as they are.
func (t *Tray) Give(place int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.given = append(t.given, place)
}

// Empty gives a place back, and the disk what it took.
func (t *Tray) Empty(place int) error {
	err := hole.Punch(t.file, int64(place)*t.size, t.size)
	t.Give(place)
	return err
}

// ReadAt reads what is in a place, from off on.
func (t *Tray) ReadAt(place int, p []byte, off int64) (int, error) {
	return t.file.ReadAt(p, int64(place)*t.size+off)
}

// WriteAt writes p into a place at off. The caller sees to it that it fits.
func (t *Tray) WriteAt(place int, p []byte, off int64) (int, error) {
	return t.file.WriteAt(p, int64(place)*t.size+off)
}

// Sync returns when all that was written is on the disk.
func (t *Tray) Sync() error { return t.file.Sync() }

// Clear gives back all places, and the disk what they took. Nobody may use one.
func (t *Tray) Clear() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.file.Truncate(0); err != nil {
		return err
	}
	t.given, t.end = nil, 0
	return nil
}

// Close closes the file, which keeps what is in it.
func (t *Tray) Close() error { return t.file.Close() }
