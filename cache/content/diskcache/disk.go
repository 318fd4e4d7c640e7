// Package diskcache keeps blocks of immutable object versions in a directory, across mounts.
//
// A version of more than one block has a sparse data file and an index, named by hashes of key
// and ETag. Versions of one block share a slot file; an index file next to it lists which
// slot holds which version. Every block is checked by a CRC32C when it is read, so that a crash
// can lose bytes and never makes one version's bytes another's. What was used longest ago goes
// first when there is no room.
//
// [Cache.Open] returns the [Entry] of a version, which its users hold and release. Reads come
// from any goroutine. One goroutine of the owner, the writer, does all that changes the
// directory: it calls [Cache.Scan], then [Cache.RunJobs], [Cache.Write], [Cache.SumSome] and
// [Cache.Flush] as there is work, and [Cache.Finish].
package diskcache

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

// Cache is the disk cache of one directory. Any goroutine may call its methods, but for those
// that only the writer may call: one goroutine of the owner, which does all that changes the
// directory.
type Cache struct {
	dir     string
	limit   int64
	minFree int64
	log     *slog.Logger
	lock    *os.File
	slots   *slots
	// OpenFile opens a data file for reading and writing, with more flags. A test may replace
	// it, as long as nobody else uses the Cache.
	OpenFile func(path string, flag int) (DataFile, error)

	kick chan struct{} // holds one: there is something for the writer to do

	// mu guards the fields below and those of entries. No file is touched while
	// it is held.
	mu sync.Mutex
	// entries has all entries by name. Those in use are not evicted, whatever their place.
	entries *simplelru.LRU[string, *Entry]
	// changed has the dirty entries, and those used since their index was written.
	changed  map[*Entry]struct{}
	uses     int64 // the clock of entry.used
	bytes    int64
	jobs     []func()
	unsummed []*Entry // adopted, their CRCs not all known
	inserted int64    // bytes that wait for insert
	scanned  bool     // all that an earlier process left has an entry
	closing  bool
	paused   time.Time // nothing is written before: writing failed
}

// DataFile is an open data file.
type DataFile interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
}

func openFile(path string, flag int) (DataFile, error) { return os.OpenFile(path, flag, 0o600) }

// Config says where the cache is, and how much it may keep.
type Config struct {
	Dir     string // required
	Size    int64  // limit in bytes of what is kept in Dir; 0 for 10 GiB
	MinFree int64  // bytes to leave free on Dir's file system; 0 for twice what the outbox leaves
	Logger  *slog.Logger
}

// Open opens the disk cache in cfg.Dir, which it makes. It returns nil without an error, and
// says why in the log, where another process has the directory. [Cache.Scan] comes next.
func Open(cfg Config) (*Cache, error) {
	log := cfg.Logger
	dir, err := privatedir.OpenOrCreate(cfg.Dir)
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
			log.Warn("no disk cache: its directory cannot be locked", "dir", cfg.Dir, "err", err)
		}
		return nil, nil
	}
	limit := cmp.Or(cfg.Size, 10<<30)
	small, err := openSlots(cfg.Dir, limit)
	if err != nil {
		lock.Close()
		return nil, fmt.Errorf("content: disk cache: %w", err)
	}
	entries, _ := simplelru.NewLRU[string, *Entry](math.MaxInt, nil)
	return &Cache{
		dir: cfg.Dir, limit: limit, minFree: cfg.MinFree,
		log: log, lock: lock, slots: small, OpenFile: openFile,
		kick:    make(chan struct{}, 1),
		entries: entries,
		changed: make(map[*Entry]struct{}),
	}, nil
}

// Close lets another process have the directory. [Cache.Finish] comes before.
func (d *Cache) Close() {
	d.slots.close()
	d.lock.Close()
}

// Size returns how many bytes are kept, and how many may be.
func (d *Cache) Size() (bytes, limit int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.bytes, d.limit
}

// Limit returns how many bytes may be kept.
func (d *Cache) Limit() int64 { return d.limit }

// data returns the data file of e, which the caller uses.
func (d *Cache) data(e *Entry) (DataFile, error) {
	d.mu.Lock()
	f := e.file
	d.mu.Unlock()
	if f != nil {
		return f, nil
	}
	f, err := d.OpenFile(d.path(e, dataExt), os.O_RDWR)
	if err != nil {
		return nil, err
	}
	return d.usesFile(e, f), nil
}

// usesFile makes f the open data file of e, unless another has become that meanwhile.
func (d *Cache) usesFile(e *Entry, f DataFile) DataFile {
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

// Read fills p with block i of e, which the caller uses. It is an error if these are not the
// bytes that were written.
func (d *Cache) Read(e *Entry, i int64, p []byte) error {
	d.mu.Lock()
	rec := e.slot
	d.mu.Unlock()
	if rec != nil {
		if _, err := d.slots.file.ReadAt(rec.slot, p, 0); err != nil {
			return err
		}
	} else {
		f, err := d.data(e)
		if err != nil {
			return err
		}
		if _, err := f.ReadAt(p, i*BlockSize); err != nil {
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

// ReadAt fills p with the bytes of e from off on, which the caller uses; e has more than one
// block. A block is summed when ReadAt reads of it first, and not again. It is an error if a block
// is not there, or not as it was written: [Cache.Read] finds out which.
func (d *Cache) ReadAt(e *Entry, p []byte, off int64) error {
	f, err := d.data(e)
	if err != nil {
		return err
	}
	for i := off / BlockSize; i < BlocksIn(off+int64(len(p))); i++ {
		if err := d.check(e, i); err != nil {
			return err
		}
	}
	if _, err := f.ReadAt(p, off); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if e.dead { // the file may have become that of a new entry meanwhile
		return errCorrupt
	}
	return nil
}

// check reads block i of e if its CRC is known and nobody has compared that yet.
func (d *Cache) check(e *Entry, i int64) error {
	d.mu.Lock()
	has, checked := e.sums.has(i), e.sums.checked(i)
	_, known := e.sums.crc(i)
	d.mu.Unlock()
	switch {
	case !has:
		return errCorrupt
	case checked || !known:
		return nil
	}
	p := wholeBlocks.Get().(*[BlockSize]byte)
	defer wholeBlocks.Put(p)
	if err := d.Read(e, i, p[:min(BlockSize, e.obj.Size-i*BlockSize)]); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	e.sums.check(i)
	return nil
}

// wholeBlocks are buffers for what is only summed.
var wholeBlocks = sync.Pool{New: func() any { return new([BlockSize]byte) }}

// Drop forgets block i of e.
func (d *Cache) Drop(e *Entry, i int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if e.sums.has(i) {
		e.sums.drop(i)
		d.dirtyLocked(e)
		d.resizeLocked(e, e.bytes-BlockSize)
	}
}

// AddJob has the writer call f, and reports whether it will.
func (d *Cache) AddJob(f func()) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closing {
		return false
	}
	d.jobs = append(d.jobs, f)
	d.Wake()
	return true
}

// RunJobs calls what [Cache.AddJob] was given, and what else waits for the writer. It reports
// whether there was any. Only the writer may call it.
func (d *Cache) RunJobs() bool {
	d.mu.Lock()
	jobs := d.jobs
	d.jobs = nil
	d.mu.Unlock()
	for _, f := range jobs {
		f()
	}
	return len(jobs) > 0
}

// Pending reports whether there is work for the writer: jobs, or adopted files to sum.
func (d *Cache) Pending() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.unsummed)+len(d.jobs) > 0
}

// Finish does the last of the writer's work and closes all files: nothing may be asked of
// the Cache after it but reads of entries that are open. Only the writer may call it.
func (d *Cache) Finish() {
	d.mu.Lock()
	d.closing = true
	jobs := d.jobs
	d.jobs = nil
	d.mu.Unlock()
	for _, f := range jobs {
		f()
	}
	d.Flush(func(f func()) { f() })
	d.closeFiles()
}

// Kicked returns a channel that is ready when there is something for the writer to do.
func (d *Cache) Kicked() <-chan struct{} { return d.kick }

// Wake has the writer look for something to do.
func (d *Cache) Wake() {
	select {
	case d.kick <- struct{}{}:
	default:
	}
}

// Forget drops obj, or every version of its key if it has no ETag.
func (d *Cache) Forget(obj s3backend.Object) {
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

// killLocked takes e out of the cache and has the writer remove its files.
func (d *Cache) killLocked(e *Entry) {
	if e.dead {
		return
	}
	d.deadLocked(e)
	if !d.closing {
		d.jobs = append(d.jobs, func() { d.remove(e) })
		d.Wake()
	}
}

// deadLocked takes e out of the cache.
func (d *Cache) deadLocked(e *Entry) {
	d.resizeLocked(e, 0)
	e.dead = true
	delete(d.changed, e)
	if x, _ := d.entries.Peek(e.name); x == e {
		d.entries.Remove(e.name)
	}
}

// remove removes the files of e, which is dead, unless another entry of its
// name has taken over. Only the writer may call it.
func (d *Cache) remove(e *Entry) {
	d.mu.Lock()
	other, _ := d.entries.Peek(e.name)
	taken := other != nil && other.made
	d.mu.Unlock()
	switch {
	case e.slot != nil:
		d.freeSlot(e.slot)
	case !taken:
		os.Remove(d.path(e, indexExt))
		os.Remove(d.path(e, dataExt))
	}
}
