package content

import (
	"cmp"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"math"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/sys/unix"

	"github.com/s3share/s3share/cache/privatedir"
	"github.com/s3share/s3share/s3backend"
)

// disk is the disk cache: for each version a sparse data file and an index, named
// by hashes of key and ETag, and for all those of one block a tray. One goroutine,
// Cache.keep, does all that changes the directory; reads come from any.
type disk struct {
	dir     string
	limit   int64
	minFree int64
	log     *slog.Logger
	lock    *os.File
	small   *small
	create  func(path string, flag int) (blockFile, error) // openFile; a test may have it fail

	kick chan struct{} // holds one: there is something for keep to do

	// mu guards the fields below and those of entries. No file is touched while
	// it is held.
	mu       sync.Mutex
	entries  *simplelru.LRU[string, *entry] // by name; those in use are not evicted, whatever their place
	changed  map[*entry]struct{}            // the dirty ones, and those used since their index was written
	uses     int64                          // the clock of entry.used
	bytes    int64
	jobs     []func()
	unsummed []*entry // adopted, their CRCs not all known
	inserted int64    // bytes that wait for insert
	scanned  bool     // all that an earlier process left has an entry
	closing  bool
	paused   time.Time // nothing is written before: writing failed
}

// blockFile is what disk does with a data file.
type blockFile interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
}

func openFile(path string, flag int) (blockFile, error) { return os.OpenFile(path, flag, 0o600) }

// openDisk prepares the disk cache that cfg asks for; nil where there is none
// or another process has it.
func openDisk(cfg Config, log *slog.Logger) (*disk, error) {
	if cfg.Dir == "" {
		return nil, nil
	}
	dir, err := privatedir.Make(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("content: disk cache: %w", err)
	}
	defer dir.Close()
	lock, err := dir.OpenFile("lock", os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, fmt.Errorf("content: disk cache: %w", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		lock.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			log.Warn("no disk cache: another process uses its directory", "dir", cfg.Dir)
		} else {
			log.Warn("no disk cache: its directory cannot be locked", "dir", cfg.Dir, "error", err)
		}
		return nil, nil
	}
	limit := cmp.Or(cfg.DiskSize, 10<<30)
	small, err := openSmall(cfg.Dir, limit)
	if err != nil {
		lock.Close()
		return nil, fmt.Errorf("content: disk cache: %w", err)
	}
	entries, _ := simplelru.NewLRU[string, *entry](math.MaxInt, nil)
	return &disk{
		dir: cfg.Dir, limit: limit, minFree: cfg.MinFree,
		log: log, lock: lock, small: small, create: openFile,
		kick:    make(chan struct{}, 1),
		entries: entries,
		changed: make(map[*entry]struct{}),
	}, nil
}

// unlock lets another process have the directory.
func (d *disk) unlock() {
	d.small.close()
	d.lock.Close()
}

func (d *disk) size() (bytes, limit int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.bytes, d.limit
}

// data returns the data file of e, which the caller uses.
func (d *disk) data(e *entry) (blockFile, error) {
	d.mu.Lock()
	f := e.file
	d.mu.Unlock()
	if f != nil {
		return f, nil
	}
	f, err := d.create(d.path(e, dataExt), os.O_RDWR)
	if err != nil {
		return nil, err
	}
	return d.usesFile(e, f), nil
}

// usesFile makes f the open data file of e, unless another has become that meanwhile.
func (d *disk) usesFile(e *entry, f blockFile) blockFile {
	d.mu.Lock()
	defer d.mu.Unlock()
	if e.file != nil {
		f.Close()
		return e.file
	}
	e.file = f
	return f
}

var errCorrupt = errors.New("not the bytes that were written")

// read fills p with block i of e, which the caller uses.
func (d *disk) read(e *entry, i int64, p []byte) error {
	d.mu.Lock()
	spot := e.spot
	d.mu.Unlock()
	if spot != nil {
		if _, err := d.small.tray.ReadAt(spot.place, p, 0); err != nil {
			return err
		}
	} else {
		f, err := d.data(e)
		if err != nil {
			return err
		}
		if _, err := f.ReadAt(p, i*blockSize); err != nil {
			return err
		}
	}
	d.mu.Lock()
	want, known := e.sums.crc(i)
	d.mu.Unlock()
	if known && crc32.Checksum(p, castagnoli) != want {
		return errCorrupt
	}
	return nil
}

// fillFromDisk fills the blocks of f from the disk cache, and reports whether it
// could. Where it could not, it is for the source to fill the rest.
func (c *Cache) fillFromDisk(f *fetch) bool {
	d, e := c.disk, f.disk
	d.hold(e)
	defer d.close(e)
	for n, b := range f.blocks {
		if f.ctx.Err() != nil {
			return false
		}
		if _, err := c.awaitOwnSlot(f, b); err != nil {
			return false
		}
		p := c.mem.bytes(b.slot)[:f.v.length(b.index)]
		if err := d.read(e, b.index, p); err != nil {
			if f.ctx.Err() != nil || !e.has(b.index) {
				return false // cancelled, or evicted meanwhile
			}
			c.log.Warn("disk cache: block dropped", "key", f.v.obj.Key, "block", b.index, "error", err)
			c.mu.Lock()
			c.stats.Corrupt++
			c.mu.Unlock()
			for _, b := range f.blocks[n:] { // to be written again
				d.drop(e, b.index)
			}
			return false
		}
		c.mu.Lock()
		f.filled++
		c.stats.FromDisk += int64(len(p))
		c.fullLocked(b)
		c.mu.Unlock()
	}
	return true
}

// drop forgets block i of e.
func (d *disk) drop(e *entry, i int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if e.sums.has(i) {
		e.sums.drop(i)
		d.dirtyLocked(e)
		d.resizeLocked(e, e.bytes-blockSize)
	}
}

// do has keep call f, and reports whether it will.
func (d *disk) do(f func()) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closing {
		return false
	}
	d.jobs = append(d.jobs, f)
	d.wake()
	return true
}

// wake makes keep look for something to do.
func (d *disk) wake() {
	select {
	case d.kick <- struct{}{}:
	default:
	}
}

// forget drops obj, or every version of its key if it has no ETag.
func (d *disk) forget(obj s3backend.Object) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if obj.ETag != "" {
		if e, ok := d.entries.Peek(nameOf(obj)); ok {
			d.killLocked(e)
		}
		return
	}
	prefix := keyName(obj.Key)
	for _, name := range d.entries.Keys() {
		if strings.HasPrefix(name, prefix) {
			e, _ := d.entries.Peek(name)
			d.killLocked(e)
		}
	}
}

// killLocked takes e out of the cache and has keep remove its files.
func (d *disk) killLocked(e *entry) {
	if e.dead {
		return
	}
	d.deadLocked(e)
	if !d.closing {
		d.jobs = append(d.jobs, func() { d.remove(e) })
		d.wake()
	}
}

// deadLocked takes e out of the cache.
func (d *disk) deadLocked(e *entry) {
	d.resizeLocked(e, 0)
	e.dead = true
	delete(d.changed, e)
	if x, _ := d.entries.Peek(e.name); x == e {
		d.entries.Remove(e.name)
	}
}

// remove removes the files of e, which is dead, unless another entry of its
// name has taken over. Only keep may call it.
func (d *disk) remove(e *entry) {
	d.mu.Lock()
	other, _ := d.entries.Peek(e.name)
	taken := other != nil && other.made
	d.mu.Unlock()
	switch {
	case e.spot != nil:
		d.giveUp(e.spot)
	case !taken:
		os.Remove(d.path(e, indexExt))
		os.Remove(d.path(e, dataExt))
	}
}
