package content

import (
	"github.com/s3share/s3share/cache/content/prefetch"
	"github.com/s3share/s3share/s3backend"
)

// MaxPrefetch is the size of the largest object that Prefetch takes, in bytes.
const MaxPrefetch = prefetch.MinWindow

// PrefetchResult is what Prefetch returns.
type PrefetchResult int

const (
	// Refused: nothing was begun. The object is too large, or memory and requests are for reads
	// that wait.
	Refused PrefetchResult = iota
	Started                // it is on its way
	Cached                 // all of it is here
)

// Prefetch starts to fetch obj, of MaxPrefetch bytes at most, for a reader to come. What comes
// validates the version as any answer does.
func (c *Cache) Prefetch(obj s3backend.Object) PrefetchResult {
	r := c.Open(obj)
	c.mu.Lock()
	state := r.prefetchObjectLocked()
	c.mu.Unlock()
	if state != Started {
		r.Close()
	}
	return state
}

// prefetchObjectLocked starts fetching what is missing of r's object. The fetch closes r.
func (r *Reader) prefetchObjectLocked() PrefetchResult {
	c, v := r.c, r.v
	if c.closed || v.private || v.obj.Size > MaxPrefetch {
		return Refused
	}
	from, n := int64(0), v.count()
	for from < n && (v.blocks[from] != nil || v.onDisk(from)) {
		from++
	}
	if from == n {
		return Cached
	}
	if !c.streams.spare() || !c.mem.roomAhead(int(n-from), 0) {
		return Refused
	}
	c.startLocked(v, nil, from, from, n).reader = r
	return Started
}
