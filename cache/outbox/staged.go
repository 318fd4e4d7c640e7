package outbox

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/s3share/s3share/cache/hole"
)

// staged is a sparse file of staged bytes: in a place of the tray while it is small
// and new, else a file of its own. Its methods may be called by any goroutine.
type staged struct {
	path string // of the file, or that it would have
	// outgrow gives it a file of its own, and is called without mu.
	outgrow func() error

	// mu guards the fields below. It is held while bytes are read or written, so that
	// they do not move meanwhile.
	mu    sync.RWMutex
	users int      // the file is open while there are some: a thousand files that wait for the line need no thousand descriptors
	file  *os.File // nil while there are none, or it has a place
	place *place   // nil: it has a file
	size  int64    // in a place
	gone  bool     // its place is another's
}

// newStaged makes the file at path, or none where it has a place. The caller is its
// first user.
func newStaged(path string, p *place) (*staged, error) {
	b := &staged{path: path, users: 1, place: p}
	if p != nil {
		return b, nil
	}
	var err error
	b.file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	return b, err
}

// open adds a user; each calls close. It works on after the path is gone only while
// there is another user.
func (b *staged) open() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.users == 0 && b.place == nil {
		f, err := os.OpenFile(b.path, os.O_RDWR, 0)
		if err != nil {
			return fmt.Errorf("the staged file is gone: %w", err)
		}
		b.file = f
	}
	b.users++
	return nil
}

func (b *staged) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.users--; b.users == 0 && b.file != nil {
		b.file.Close()
		b.file = nil
	}
}

// ReadAt implements io.ReaderAt. Its error is os.ErrClosed where there is no user.
func (b *staged) ReadAt(p []byte, off int64) (int, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	switch {
	case b.closedLocked():
		return 0, os.ErrClosed
	case b.place == nil:
		return b.file.ReadAt(p, off)
	}
	return b.readPlace(p, off)
}

func (b *staged) closedLocked() bool { return b.users == 0 || b.gone }

// readPlace is ReadAt in a place. The caller holds mu.
func (b *staged) readPlace(p []byte, off int64) (int, error) {
	if off >= b.size {
		return 0, io.EOF
	}
	short := int64(len(p)) > b.size-off
	n, err := b.place.tray.ReadAt(b.place.n, p[:min(int64(len(p)), b.size-off)], pageSize+off)
	if err == nil && short {
		err = io.EOF
	}
	return n, err
}

// WriteAt implements io.WriterAt.
func (b *staged) WriteAt(p []byte, off int64) (int, error) {
	n := 0
	err := b.change(off+int64(len(p)), func() (err error) {
		if b.place == nil {
			n, err = b.file.WriteAt(p, off)
			return err
		}
		if err := b.zeroLocked(b.size, off); err != nil {
			return err
		}
		n, err = b.place.tray.WriteAt(b.place.n, p, pageSize+off)
		b.size = max(b.size, off+int64(n))
		return err
	})
	return n, err
}

// Truncate sets the size.
func (b *staged) Truncate(size int64) error {
	return b.change(size, func() error {
		if b.place == nil {
			return b.file.Truncate(size)
		}
		err := b.zeroLocked(b.size, size)
		if err == nil {
			b.size = size
		}
		return err
	})
}

// punch makes [off, end) read as zero.
func (b *staged) punch(off, end int64) error {
	return b.change(0, func() error {
		if b.place == nil {
			return hole.Punch(b.file, off, end-off)
		}
		return b.zeroLocked(off, min(end, b.size))
	})
}

// change calls f, which may make the file as long as end, with mu held. Users of one
// file write side by side, those of a place one after the other.
func (b *staged) change(end int64, f func() error) error {
	b.mu.RLock()
	small := b.place != nil
	if !small {
		defer b.mu.RUnlock()
		if b.closedLocked() {
			return os.ErrClosed
		}
		return f()
	}
	b.mu.RUnlock()
	if end > placeRoom {
		if err := b.outgrow(); err != nil {
			return err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closedLocked() {
		return os.ErrClosed
	}
	return f()
}

// zeroLocked writes zeros into [off, end) of a place, which may hold what another had
// there.
func (b *staged) zeroLocked(off, end int64) error {
	if off >= end {
		return nil
	}
	_, err := b.place.tray.WriteAt(b.place.n, make([]byte, end-off), pageSize+off)
	return err
}

// Sync returns when the bytes are on the disk.
func (b *staged) Sync() error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.place != nil {
		return b.place.tray.Sync()
	}
	if b.closedLocked() {
		return os.ErrClosed
	}
	return b.file.Sync()
}

// move gives b a file of its own, and calls then before anybody reads or writes there;
// where that fails, b stays in its place.
func (b *staged) move(then func() error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.place == nil {
		return nil
	}
	p := make([]byte, b.size)
	if _, err := b.readPlace(p, 0); err != nil && b.size > 0 {
		return err
	}
	f, err := os.OpenFile(b.path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("cannot stage: %w", err)
	}
	if _, err = f.Write(p); err == nil {
		err = then()
	}
	if err != nil {
		return errors.Join(err, f.Close(), os.Remove(b.path))
	}
	b.place = nil
	if b.file = f; b.users == 0 {
		b.file = nil
		return f.Close()
	}
	return nil
}

// bytes returns all of a file that is in a place; nil where it is not.
func (b *staged) bytes() []byte {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.place == nil {
		return nil
	}
	p := make([]byte, b.size)
	if n, err := b.readPlace(p, 0); err != nil || n < len(p) {
		return nil
	}
	return p
}

// done gives the file the name of one that is not owed any more, and returns it.
func (b *staged) done() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	dir, name := filepath.Split(b.path)
	if strings.HasPrefix(name, donePrefix) {
		return b.path
	}
	// Where that fails it is removed under its old name.
	if to := filepath.Join(dir, donePrefix+name); os.Rename(b.path, to) == nil {
		b.path = to
	}
	return b.path
}

// remove ends the bytes, which are nobody's.
func (b *staged) remove() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.place == nil {
		os.Remove(b.path)
		return
	}
	b.place.give()
	b.place, b.gone = nil, true
}
