package content

import "github.com/s3share/s3share/s3backend"

// MaxAhead is the most bytes that Ahead takes an object of.
const MaxAhead = minWindow

// Readiness is what Ahead says of an object.
type Readiness int

const (
	Busy     Readiness = iota // nothing was begun: memory and requests are for those who wait
	Fetching                  // it is on its way
	Here                      // all of it is here
)

// Ahead fetches obj, of MaxAhead bytes at most, for a reader to come. What comes
// proves the version as any answer does.
func (c *Cache) Ahead(obj s3backend.Object) Readiness {
	r := c.Open(obj)
	c.mu.Lock()
	state := r.aheadLocked()
	c.mu.Unlock()
	if state != Fetching {
		r.Close()
	}
	return state
}

// aheadLocked starts fetching what is missing of r's object. The fetch closes r.
func (r *Reader) aheadLocked() Readiness {
	c, v := r.c, r.v
	if c.closed || v.private || v.obj.Size > MaxAhead {
		return Busy
	}
	from, n := int64(0), v.count()
	for from < n && (v.blocks[from] != nil || v.onDisk(from)) {
		from++
	}
	if from == n {
		return Here
	}
	if !c.spareLocked() || !c.roomAheadLocked(int(n-from), 0) {
		return Busy
	}
	c.startLocked(v, nil, from, from, n).reader = r
	return Fetching
}
