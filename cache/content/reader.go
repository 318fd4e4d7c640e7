package content

import (
	"context"
	"fmt"
	"io"

	"github.com/s3share/s3share/s3backend"
)

// Reader is one open handle of an object version. Its methods may be called
// from any goroutine, several at a time. Its fields are guarded by Cache.mu.
type Reader struct {
	c       *Cache
	v       *version
	disk    *entry // nil: none
	closed  bool
	window  window
	fetches map[*fetch]struct{} // under way for the window
	read    int64               // Cache.now of the last sequential read
}

// Open returns a Reader of the version obj. It makes no request.
func (c *Cache) Open(obj s3backend.Object) *Reader {
	r := &Reader{c: c, fetches: make(map[*fetch]struct{})}
	if c.disk != nil && obj.ETag != "" {
		r.disk = c.disk.open(obj)
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
	c.disownLocked(r)
	v := r.v
	v.readers--
	if v.private && v.readers == 0 {
		c.dropLocked(v)
	}
	c.retireLocked(v)
	c.mu.Unlock()
	if r.disk != nil {
		c.disk.close(r.disk)
	}
}

// disownLocked ends r's sequence of reads: what it fetched ahead is anyone's.
func (c *Cache) disownLocked(r *Reader) {
	delete(c.readers, r)
	for f := range r.fetches {
		delete(r.fetches, f)
		f.owner = nil
		for _, b := range f.blocks[f.filled:] {
			c.readLocked(b)
		}
		c.cancelLocked(f)
	}
	w := &r.window
	for i := w.next / blockSize; i*blockSize < w.ahead; i++ {
		if b := r.v.blocks[i]; b != nil && b.fetch == nil {
			c.readLocked(b)
		}
	}
}

// ReadAt fills p with the object's bytes from off on. At the object's end it
// returns io.EOF with a short count; its error is s3backend.Stale once the key
// holds another version and the bytes are not here, else the source's, or ctx's
// as soon as ctx ends.
func (r *Reader) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
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

	r.noteLocked(off, off+int64(len(want)))
	r.prepareLocked(off/blockSize, blocksIn(off+int64(len(want))))
	r.prefetchLocked()
	n := 0
	for n < len(want) {
		m, err := r.nextLocked(ctx, want[n:], off+int64(n))
		n += m
		if err != nil {
			return n, err
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// blocksIn returns how many blocks n bytes fill or begin.
func blocksIn(n int64) int64 { return (n + blockSize - 1) / blockSize }

// nextLocked copies the full blocks at off to p, at least one. It gives up
// Cache.mu while it waits for the first and while it copies.
func (r *Reader) nextLocked(ctx context.Context, p []byte, off int64) (int, error) {
	c, v := r.c, r.v
	from, end := off/blockSize, blocksIn(off+int64(len(p)))
	b, err := r.pinnedLocked(ctx, from, end)
	if err != nil {
		return 0, err
	}
	var pinned [16]*block
	n := 0
	for {
		c.touchLocked(b)
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
		copied += copy(p[copied:], c.mem.bytes(b.slot)[skip:v.length(b.index)])
		skip = 0
	}
	c.mu.Lock()
	for _, b := range pinned[:n] {
		c.unpinLocked(b)
	}
	return copied, nil
}

// pinnedLocked waits until block from is full and returns it pinned. The read
// that wants it ends before block end.
func (r *Reader) pinnedLocked(ctx context.Context, from, end int64) (*block, error) {
	c, v := r.c, r.v
	if b := v.blocks[from]; b != nil && b.fetch == nil {
		b.pins++
		c.stats.Hits++
		return b, nil
	}
	c.stats.Misses++
	r.window.waited = true
	if r.window.size == 0 {
		c.missedLocked(v)
	}
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		b := v.blocks[from]
		if b == nil {
			b = r.demandLocked(from, end)
		}
		if b == nil {
			if err := c.awaitSlotLocked(ctx); err != nil {
				return nil, err
			}
			continue
		}
		return b, c.awaitLocked(ctx, b)
	}
}

// prepareLocked starts fetching what is missing of the blocks [from, end), as
// far as there are slots.
func (r *Reader) prepareLocked(from, end int64) {
	v := r.v
	if v.obj.Size <= minWindow && r.roomLocked() {
		from, end = 0, v.count()
	}
	for i := from; i < end; i++ {
		if v.blocks[i] == nil && r.demandLocked(i, end) == nil {
			return
		}
	}
}

// roomLocked reports whether all of r's object fits in slots that are easily had.
func (r *Reader) roomLocked() bool {
	c := r.c
	return len(c.warm)+len(c.cold)+c.used.Len() >= int(r.v.count())
}

// demandLocked starts the fetch of block from, which is missing, and of what
// goes with it: the rest of a read that ends before block end, and the next of
// a sequence. It returns nil where there is no slot.
func (r *Reader) demandLocked(from, end int64) *block {
	c, v := r.c, r.v
	limit := end
	var owner *Reader
	if r.window.size > 0 && r.window.strays == 0 && !r.closed {
		owner = r
		_, request := r.sharesLocked()
		limit = max(limit, min(v.count(), from+request/blockSize))
	}
	limit = min(limit, from+maxFetch/blockSize)
	f := c.startLocked(v, owner, from, end, limit, true)
	if f == nil {
		return nil
	}
	if owner != nil {
		r.window.ahead = max(r.window.ahead, (from+int64(len(f.blocks)))*blockSize)
	}
	return f.blocks[0]
}

// noteLocked takes in a read of [off, end).
func (r *Reader) noteLocked(off, end int64) {
	c := r.c
	w := r.window
	sequential, ended := w.note(off, end)
	if ended {
		c.disownLocked(r)
	}
	r.window = w
	if sequential {
		r.read = c.now()
		c.readers[r] = struct{}{}
	}
}

// prefetchLocked starts requests ahead of a sequence of reads until the window
// is full.
func (r *Reader) prefetchLocked() {
	c, v, w := r.c, r.v, &r.window
	if w.size == 0 || w.strays > 0 || r.closed {
		return
	}
	size, request := r.sharesLocked()
	w.ahead = max(w.ahead, w.next&^(blockSize-1))
	for w.ahead < v.obj.Size && w.ahead-w.next <= size-request {
		from := w.ahead / blockSize
		if v.blocks[from] != nil {
			w.ahead += blockSize
			continue
		}
		if !v.onDisk(from) && !c.spareLocked() {
			return
		}
		end := min(v.count(), from+request/blockSize)
		if !c.roomAheadLocked(int(end - from)) {
			return // rather later than in bits
		}
		f := c.startLocked(v, r, from, from, end, false)
		if f == nil {
			return
		}
		w.ahead += int64(len(f.blocks)) * blockSize
	}
}

// sharesLocked returns how far ahead r may be and how large its requests are
// to be, in bytes, at least one block each.
func (r *Reader) sharesLocked() (size, request int64) {
	c := r.c
	others := int64(c.activeLocked())
	most := min(int64(c.aheadMax)*blockSize, int64(c.streams)*maxFetch) / others
	size = max(blockSize, min(r.window.size, most)&^(blockSize-1))
	r.window.size = min(r.window.size, max(most, minWindow))
	streams := max(2, int64(c.speed.streams(c.streams))/others)
	request = min(maxFetch, max(size/streams, min(minWindow, size)))
	return size, max(blockSize, request&^(blockSize-1))
}

// activeLocked returns the number of Readers that read in sequence lately, at
// least one.
func (c *Cache) activeLocked() int {
	const lately, often = 1e9, 5e7 // nanoseconds
	if now := c.now(); c.active == 0 || now-c.counted > often {
		c.counted, c.active = now, 0
		for r := range c.readers {
			if now-r.read < lately {
				c.active++
			}
		}
		c.active = max(c.active, 1)
	}
	return c.active
}
