//go:build linux

package crashdisk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// sector is what a disk writes whole or not at all.
const sector = 512

// Image is what is on a disk that has lost power, mounted.
type Image struct {
	Dir  string // where it is mounted
	Kept string // which of the writes that were not flushed it has

	file string
}

// Crash makes the image of the disk as it may be when power is lost at a position, and
// mounts it. Which of the writes that were not flushed it has, rnd decides. The caller
// calls Close, and makes one image at a time; that is quickest in the order of their
// positions.
func (d *Disk) Crash(at int64, rnd *rand.Rand) (*Image, error) {
	unflushed, err := d.flat.advance(at)
	if err != nil {
		return nil, err
	}
	i := &Image{Dir: filepath.Join(d.dir, "crashed"), file: filepath.Join(d.dir, "image")}
	if err := copySparse(filepath.Join(d.dir, flatName), i.file); err != nil {
		return nil, err
	}
	if err := i.write(unflushed, rnd); err != nil {
		return nil, err
	}
	if err := os.Mkdir(i.Dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	return i, mountImage(i.file, i.Dir, d.options)
}

// write puts some of the writes on the image.
func (i *Image) write(unflushed []entry, rnd *rand.Rand) error {
	f, err := os.OpenFile(i.file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	how := rnd.IntN(5)
	first := 0
	if len(unflushed) > 0 {
		first = rnd.IntN(len(unflushed) + 1)
	}
	i.Kept = fmt.Sprintf("%s of %d", []string{"none", "all", fmt.Sprintf("the first %d", first),
		"some", "some sectors"}[how], len(unflushed))
	for n, e := range unflushed {
		switch {
		case how == 0 || how == 2 && n >= first || how == 3 && rnd.IntN(2) == 0:
			continue
		case how < 4:
			if _, err := f.WriteAt(e.data, e.off); err != nil {
				return err
			}
			continue
		}
		for at := 0; at < len(e.data); at += sector {
			if rnd.IntN(2) == 0 {
				continue
			}
			if _, err := f.WriteAt(e.data[at:min(len(e.data), at+sector)],
				e.off+int64(at)); err != nil {
				return err
			}
		}
	}
	return nil
}

// Close unmounts the image and removes it.
func (i *Image) Close() error { return errors.Join(unmount(i.Dir), os.Remove(i.file)) }

// entry is a write in the log.
type entry struct {
	off  int64
	data []byte
}

// flatName is the file with the disk as it was at a flush.
const flatName = "flat"

// flat is a disk as it was at a flush.
type flat struct {
	dir  string
	log  *os.File
	file *os.File
	at   int64 // the position behind the flush
}

func newFlat(dir string) (*flat, error) {
	log, err := os.OpenFile(filepath.Join(dir, logName), os.O_RDONLY|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	f := &flat{dir: dir, log: log}
	return f, f.restart()
}

func (f *flat) restart() error {
	path := filepath.Join(f.dir, flatName)
	if err := copySparse(filepath.Join(f.dir, baseName), path); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if f.file != nil {
		f.file.Close()
	}
	f.file, f.at = file, 0
	return nil
}

func (f *flat) close() error { return errors.Join(f.log.Close(), f.file.Close()) }

// advance makes the file what it was at the last flush before a position, and returns
// the writes between the two.
func (f *flat) advance(to int64) (unflushed []entry, err error) {
	if to < f.at {
		if err := f.restart(); err != nil {
			return nil, err
		}
	}
	for at := f.at; ; {
		var h [entryHeader]byte
		if _, err := f.log.ReadAt(h[:], at); err == io.EOF {
			return unflushed, nil
		} else if err != nil {
			return nil, err
		}
		n := int64(binary.LittleEndian.Uint32(h[9:]))
		if at += entryHeader + n; at > to {
			return unflushed, nil
		}
		switch h[0] {
		case kindWrite:
			data := make([]byte, n)
			if _, err := f.log.ReadAt(data, at-n); err != nil {
				return nil, err
			}
			unflushed = append(unflushed, entry{int64(binary.LittleEndian.Uint64(h[1:])), data})
		case kindFlush:
			for _, e := range unflushed {
				if _, err := f.file.WriteAt(e.data, e.off); err != nil {
					return nil, err
				}
			}
			unflushed, f.at = nil, at
		default:
			return nil, fmt.Errorf("the log has an entry %q", h[0])
		}
	}
}
