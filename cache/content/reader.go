package content

import (
	"context"
	"fmt"
	"io"

	"github.com/s3share/s3share/cache/content/diskcache"
	"github.com/s3share/s3share/cache/content/prefetch"
	"github.com/s3share/s3share/s3backend"
)

// Reader is one open handle of an object version. Its methods may be called
// from any goroutine, several at a time. Its fields are guarded by Cache.mu.
type Reader struct {
	c      *Cache
	v      *version
	disk   *diskcache.Entry // nil: none
	closed bool
	read   wholeRead // what was returned
	// missingOnly is set for fetchAll: its reads get whole blocks, and nothing that is on the disk
	// is fetched ahead into memory. It never changes.
	missingOnly bool

	reads     *prefetch.Handle
	sequences map[*prefetch.Sequence]*sequence // those of reads
}

// Open returns a Reader of the version obj. It makes no request.
func (c *Cache) Open(obj s3backend.Object) *Reader {
	r := &Reader{c: c, reads: prefetch.NewHandle(obj.Size)}
	if c.disk != nil && obj.ETag != "" {
		r.disk = c.disk.Open(obj)
	}
	id := versionID{obj.Key, obj.ETag}
	c.mu.Lock()
	defer c.mu.Unlock()
	r.v = c.versions[id]
	if r.v == nil || r.v.obj.Size != obj.Size {
		private := obj.ETag == "" || r.v != nil // a version has one size: this is none
		r.v = &version{obj: obj, blocks: make(map[int64]*block), private: private}
		if !private {
			c.versions[id] = r.v
		}
	}
	if !r.v.private {
		r.v.disk = r.disk
	}
	r.v.readers++
	return r
}

// Close ends the reads that nobody else waits for. Those under way in other
// goroutines still get their bytes.
func (r *Reader) Close() {
	c := r.c
	c.mu.Lock()
	if r.closed {
		c.mu.Unlock()
		return
	}
	r.closed = true
	for _, s := range r.reads.Close() {
		c.endLocked(r.sequences[s])
	}
	v := r.v
	v.readers--
	if v.private && v.readers == 0 {
		c.mem.drop(v)
	}
	c.versions.retire(v)
	c.mu.Unlock()
	if r.disk != nil {
		c.disk.Release(r.disk)
	}
}

// ReadAt fills p with the object's bytes from off on. At the object's end it
// returns io.EOF with a short count; its error is s3backend.Stale once the key
// holds another version and the bytes are not here, else the source's, or ctx's
// as soon as ctx ends.
func (r *Reader) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	return r.readLocking(p, off, func(want []byte) (int, error) {
		q := r.noteLocked(off, off+int64(len(want)))
		switch bypassed, err := r.bypassLocked(ctx, q, want, off); {
		case err != nil:
			return 0, err
		case bypassed:
			return r.readLocked(p, want, off)
		}
		r.startLocked(q, off, off+int64(len(want)))
		return r.copyLocked(ctx, q, p, want, off)
	})
}

// readLocking is what all reads of p at off begin with: it has read, under Cache.mu, read what the
// object has of p, unless that is nothing.
func (r *Reader) readLocking(p []byte, off int64,
	read func(want []byte) (int, error)) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("content: read at %d of %q", off, r.v.obj.Key)
	}
	if off >= r.v.obj.Size {
		return 0, io.EOF
	}
	want := p[:min(int64(len(p)), r.v.obj.Size-off)]
	if len(want) == 0 {
		return 0, nil
	}
	c := r.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || r.closed {
		return 0, ErrClosed
	}
	c.g.Add(1) // the memory stays as long as bytes are copied from it
	defer c.g.Done()
	return read(want)
}

// copyLocked is the end of a read of p, of which the object has want, at off: it waits for the
// blocks, and copies them. It gives up Cache.mu meanwhile.
func (r *Reader) copyLocked(ctx context.Context, q *sequence,
	p, want []byte, off int64) (int, error) {
	for n := 0; n < len(want); {
		m, err := r.nextLocked(ctx, q, want[n:], off+int64(n))
		if n += m; err != nil {
			return n, err
		}
	}
	return r.readLocked(p, want, off)
}

// readLocked records that want, the object's part of p, was read at off, and returns what ReadAt
// does.
func (r *Reader) readLocked(p, want []byte, off int64) (int, error) {
	r.read.add(off, off+int64(len(want)))
	if len(want) < len(p) {
		return len(want), io.EOF
	}
	return len(want), nil
}

// startLocked starts fetching what a read of [off, end) needs, which belongs to q or to
// none, and what will be read next.
func (r *Reader) startLocked(q *sequence, off, end int64) {
	r.prepareLocked(q, off/blockSize, diskcache.BlocksIn(end))
	if q != nil {
		r.c.prefetchLocked(q)
	}
}

// nextLocked copies the full blocks at off to p, at least one, for a read that
// belongs to q, or to none. It gives up Cache.mu while it waits for the first
// and while it copies.
func (r *Reader) nextLocked(ctx context.Context, q *sequence, p []byte, off int64) (int, error) {
	c, v := r.c, r.v
	from, end := off/blockSize, diskcache.BlocksIn(off+int64(len(p)))
	b, err := r.pinnedLocked(ctx, q, from, end)
	if err != nil {
		return 0, err
	}
	var pinned [16]*block
	n := 0
	for {
		c.mem.touch(b)
		pinned[n] = b
		n++
		if n == len(pinned) || from+int64(n) == end {
			break
		}
		b = v.blocks[from+int64(n)]
		if b == nil || b.fetch != nil {
			break
		}
		b.pins++
		c.stats.Hits++
	}
	c.mu.Unlock()
	copied, skip := 0, off-from*blockSize
	for _, b := range pinned[:n] {
		copied += copy(p[copied:], c.mem.pool.bytes(b.slot)[skip:v.length(b.index)])
		skip = 0
	}
	c.mu.Lock()
	for _, b := range pinned[:n] {
		c.mem.unpin(b)
	}
	return copied, nil
}

// pinnedLocked waits until block from is full and returns it pinned. The read
// that wants it ends before block end.
func (r *Reader) pinnedLocked(ctx context.Context, q *sequence, from, end int64) (*block, error) {
	c, v := r.c, r.v
	if b := v.blocks[from]; b != nil && b.fetch == nil {
		b.pins++
		c.stats.Hits++
		return b, nil
	}
	c.stats.Misses++
	if q != nil {
		q.Waited()
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b := v.blocks[from]
	if b == nil {
		b = r.demandLocked(q, from, end)
	}
	return b, c.awaitLocked(ctx, b)
}

// prepareLocked starts fetching what is missing of the blocks [from, end).
func (r *Reader) prepareLocked(q *sequence, from, end int64) {
	v := r.v
	if v.obj.Size <= prefetch.MinWindow && r.roomLocked() {
		from, end = 0, v.count()
	}
	for i := from; i < end; i++ {
		r.c.skipLongFetchLocked(v, q, i)
		if v.blocks[i] == nil {
			r.demandLocked(q, i, end)
		}
	}
}

// roomLocked reports whether all of r's object fits in slots that are easily had.
func (r *Reader) roomLocked() bool {
	c := r.c
	return c.mem.pool.free()+c.mem.pool.used.Len() >= int(r.v.count())
}

// demandLocked starts the fetch of block from, which is missing, and of what
// goes with it: the rest of a read that ends before block end, and the next of
// a sequence.
func (r *Reader) demandLocked(q *sequence, from, end int64) *block {
	c, v := r.c, r.v
	if q == nil || q.r == nil { // it belongs to none, or that has ended meanwhile
		if !r.missingOnly {
			c.missedLocked(v)
		}
		return c.startLocked(v, nil, from,
			end, min(end, from+prefetch.MaxRequest/blockSize)).blocks[0]
	}
	u := c.supply.snapshot()
	u.Single = c.supply.single()
	f := c.startLocked(v, q, from, end, q.Demand(u, from, end))
	q.Fetched(f.end())
	return f.blocks[0]
}
