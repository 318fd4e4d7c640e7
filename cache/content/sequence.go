package content

import (
	"github.com/s3share/s3share/cache/content/prefetch"
)

// sequence is a place in an object that moves forward as a Reader reads, and
// what is fetched ahead of it. It is guarded by Cache.mu.
type sequence struct {
	*prefetch.Sequence
	r       *Reader // nil once it has ended
	fetches map[*fetch]struct{}
}

// noteLocked takes in a read of [off, end) and returns the sequence it belongs
// to, or nil.
func (r *Reader) noteLocked(off, end int64) *sequence {
	s, ended := r.reads.Observe(off, end, r.c.now())
	for _, s := range ended {
		r.c.endLocked(r.sequences[s])
	}
	if s == nil {
		return nil
	}
	q := r.sequences[s]
	if q == nil {
		q = &sequence{Sequence: s, r: r, fetches: make(map[*fetch]struct{})}
		if r.sequences == nil {
			r.sequences = make(map[*prefetch.Sequence]*sequence)
		}
		r.sequences[s] = q
		r.c.supply.sequences[q] = struct{}{}
	}
	return q
}

// endLocked ends q: what was fetched ahead for it is anyone's.
func (c *Cache) endLocked(q *sequence) {
	r := q.r
	q.r = nil
	delete(c.supply.sequences, q)
	delete(r.sequences, q.Sequence)
	for f := range q.fetches {
		delete(q.fetches, f)
		f.owner = nil
		for _, b := range f.blocks[f.filled:] {
			c.mem.noteRead(b)
		}
		c.cancelLocked(f)
	}
	for i := q.Next() / blockSize; i*blockSize < q.Ahead(); i++ {
		if b := r.v.blocks[i]; b != nil && b.fetch == nil {
			c.mem.noteRead(b)
		}
	}
}

// prefetchLocked starts requests ahead of q, as long as there is room and a stream.
func (c *Cache) prefetchLocked(q *sequence) {
	v := q.r.v
	u := c.supply.snapshot()
	u.Single = c.supply.single()
	if !u.Single {
		c.endLongFetchesLocked(q)
	}
	plan := q.Plan(u)
	for {
		next, ok := plan.Next(v)
		if ok && next.OnDisk && q.r.missingOnly {
			i := next.From + 1
			for i < v.count() && v.onDisk(i) {
				i++
			}
			q.Fetched(i * blockSize)
			continue
		}
		if !ok || !next.OnDisk && !c.streams.spare() || !c.mem.roomAhead(next.Room, 0) {
			return // rather later than in bits
		}
		f := c.startLocked(v, q, next.From, next.From, next.End)
		q.Fetched(f.end())
	}
}

// paused reports whether q is not read any more at the time now: not lately, and nobody waits
// there.
func (q *sequence) paused(now int64) bool {
	for f := range q.fetches {
		if f.waiters > 0 {
			return false
		}
	}
	return q.r == nil || now-q.LastRead() >= staleAhead
}
