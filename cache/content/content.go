// Package content keeps the bytes of immutable object versions, in memory and
// on disk.
//
// A version is a key and its ETag; its bytes never change, so neither do its
// blocks: aligned ranges of 128 KiB, the last one shorter. A [Cache] holds
// blocks within a hard budget of memory and, where it is given a directory, as
// files. A [Reader] is one open handle of a version; many Readers of one
// version share its blocks.
//
// The life of a byte: a ReadAt finds its block missing and starts a fetch, one
// ranged request (or one read of the disk cache) for a run of consecutive
// blocks. Each block gets a slot of the memory before the request goes out and
// can be read as soon as it is full, while the run's later blocks are still on
// their way. Other readers of the block wait for the same fetch. For sequential
// reads, fetches are started before the reads. A full block is copied to its
// readers and written to the disk cache in the background. Blocks are evicted from
// memory when others need their slots, least recently used first.
//
// A single read in the middle of a large object uses no blocks: its bytes go from the
// source directly to the reader (bypass.go).
//
// The Cache fetches. Types with one job each help it to decide, guarded by its mutex: memory
// has the blocks' slots and evicts, streams counts requests, supply is what sequential readers
// share, versions finds a version by its key and ETag, and diskWriter has the blocks that are being
// written to the disk.
//
// Any block may be evicted at any time: nothing here is the only copy.
package content

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/s3share/s3share/cache/content/diskcache"
	"github.com/s3share/s3share/s3backend"
)

// blockSize is the cache's unit in bytes.
const blockSize = diskcache.BlockSize

// ErrClosed is the error of every call on a closed Cache or Reader.
var ErrClosed = errors.New("content: closed")

// Source is what content asks of a bucket.
type Source interface {
	// Get returns the n bytes of obj from off on. It fails with
	// s3backend.Stale once the key holds another version. The call and reads of
	// the body end soon after ctx does.
	Get(ctx context.Context, obj s3backend.Object, off, n int64) (io.ReadCloser, error)
}

// Config says how much a Cache may keep. The zero value of a field is its default.
type Config struct {
	// Memory limits the bytes of all blocks, those in flight included; default 96 MiB, at least
	// 512 KiB.
	Memory   int64
	Dir      string // the disk cache's directory; "" for none
	DiskSize int64  // limit in bytes of what is kept in Dir; default 10 GiB
	// MinFree is how many bytes to leave free on Dir's file system; default a tenth of it, at most
	// 1 GiB.
	MinFree int64
	Streams int // range requests at a time, in all; default 32
	Logger  *slog.Logger
}

// Cache keeps blocks. Its methods may be called from any goroutine.
type Cache struct {
	src  Source
	log  *slog.Logger
	disk *diskcache.Cache // nil: none
	clock

	ctx    context.Context // ends with the Cache; its cause is ErrClosed
	cancel context.CancelCauseFunc
	g      sync.WaitGroup // every goroutine the Cache starts, and every ReadAt under way

	// mu guards the fields below and those of versions, blocks, fetches and
	// Readers. Nothing is read, written or awaited while it is held. Take it
	// before the disk cache's.
	mu       sync.Mutex
	closed   bool
	versions versions
	mem      *memory    // but for the bytes of a slot, which are its owner's
	streams  streams    // requests under way
	supply   *supply    // of sequential readers
	writer   diskWriter // of the disk cache
	stats    Stats
}

// Stats is what a Cache holds and what it did since it was made.
type Stats struct {
	Memory, MemoryLimit int64 // bytes of the slots in use, and of all
	// Disk is how many bytes are kept on disk, DiskLimit the maximum; both are 0 without a disk
	// cache.
	Disk, DiskLimit  int64
	Hits, Misses     int64 // blocks read that were in memory at once, and that had to be awaited
	Gets             int64 // requests sent to the source
	Fetched          int64 // bytes received from the source
	FromDisk, ToDisk int64 // bytes read from the disk cache, and written to it
	// Corrupt counts the blocks dropped because the disk returned other bytes than were written.
	Corrupt int64
}

// New returns a Cache of what src holds. Where another process uses the disk
// cache's directory, it does without and says so in the log.
func New(src Source, cfg Config) (*Cache, error) {
	size := cmp.Or(cfg.Memory, 96<<20)
	if size < 4*blockSize {
		return nil, fmt.Errorf("content: %d bytes of memory are less than %d", size, 4*blockSize)
	}
	limit := cmp.Or(cfg.Streams, 32)
	if limit < 1 {
		return nil, fmt.Errorf("content: %d streams", limit)
	}
	log := cfg.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	var d *diskcache.Cache
	if cfg.Dir != "" {
		var err error
		if d, err = diskcache.Open(diskcache.Config{Dir: cfg.Dir, Size: cfg.DiskSize,
			MinFree: cfg.MinFree, Logger: log}); err != nil {
			return nil, err
		}
	}
	n := int(size / blockSize)
	pool, err := newPool(n)
	if err != nil {
		if d != nil {
			d.Close()
		}
		return nil, fmt.Errorf("content: %d bytes of memory: %w", size, err)
	}

	c := &Cache{src: src, log: log, disk: d, clock: clock{time.Now()}, versions: make(versions),
		streams: streams{limit: limit}}
	c.supply = newSupply(c.clock, limit, pool.aheadMax)
	c.mem = &memory{clock: c.clock, pool: pool, versions: c.versions, supply: c.supply}
	c.writer = diskWriter{disk: d, mu: &c.mu, mem: c.mem, stats: &c.stats}
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	c.g.Go(c.sweep)
	if d != nil {
		c.g.Go(func() { c.writer.run(c.ctx) })
	}
	return c, nil
}

// Close ends the fetches and reads under way with ErrClosed, writes what is
// queued for the disk cache, and waits for all of it. Only the first call does anything.
func (c *Cache) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	c.mu.Unlock()

	c.cancel(ErrClosed)
	c.g.Wait()
	if c.disk != nil {
		c.disk.Close()
	}
	return c.mem.pool.close()
}

// Stats returns what the Cache holds and did.
func (c *Cache) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.MemoryLimit = int64(c.mem.pool.slots) * blockSize
	s.Memory = s.MemoryLimit - int64(c.mem.pool.free())*blockSize
	if c.disk != nil {
		s.Disk, s.DiskLimit = c.disk.Size()
	}
	return s
}

// Forget drops the version obj: it is known to be gone. Where obj has no ETag,
// it drops every version of obj's key. Readers of it keep what they are reading
// and then depend on the source, which says s3backend.Stale.
func (c *Cache) Forget(obj s3backend.Object) {
	c.mu.Lock()
	for id, v := range c.versions {
		if id.key == obj.Key && (obj.ETag == "" || id.etag == obj.ETag) {
			v.private = true
			v.disk = nil
			delete(c.versions, id)
			c.mem.drop(v)
		}
	}
	c.mu.Unlock()
	if c.disk != nil {
		c.disk.Forget(obj)
	}
}

// clock measures time since the Cache was made.
type clock struct{ born time.Time }

// now is the time since then, in nanoseconds.
func (c clock) now() int64 { return int64(time.Since(c.born)) }
