package content

import (
	"slices"
	"time"
)

const (
	// minWindow is what the first of a sequence of reads fetches. It is small, as
	// many programs look at a file's head only, and yet costs little more time than
	// one block.
	minWindow = 1 << 20

	// reach is how far behind the furthest read of a sequence, in bytes, a read may
	// still belong to it: the kernel's readahead of one file arrives concurrently,
	// in any order.
	reach = 8 << 20

	maxSequences = 4  // at a time on one Reader: several tracks of one file, or threads
	maxStrays    = 16 // reads in no sequence that end those not read meanwhile
)

// On a slow connection, what is fetched ahead of a reader takes from what is read next, and is
// in vain when the program stops or jumps. So no more is fetched ahead than comes in a few
// seconds at the recent bandwidth.
const (
	// aheadSeconds is how long it may take until all that is ahead of readers has come.
	aheadSeconds = 4
	// aheadParts is in how many requests at a time: connections may have limits of their own.
	aheadParts = 16
)

// sequence is a place in an object that moves forward as a Reader reads, and
// what is fetched ahead of it. It is guarded by Cache.mu; but for the last three
// fields, all numbers are bytes.
type sequence struct {
	r       *Reader // nil once it has ended
	size    int64   // how far ahead to be
	begin   int64   // of its first read
	next    int64   // end of its furthest read
	ahead   int64   // fetched up to here
	read    int64   // read since size changed last
	waited  bool    // since then, a read had to wait
	fetches map[*fetch]struct{}
	used    int64 // Reader.reads at its last read
	strays  int64 // Reader.strays at its last read
	time    int64 // Cache.now at its last read
}

// covers reports whether a read at off belongs to q.
func (q *sequence) covers(off int64) bool {
	far := min(q.ahead, q.next+q.size+longFetchPassed)
	return off >= q.next-min(reach, q.size) && off <= max(far, q.next+minWindow)
}

// advance takes in a read of [off, end). Where reads have to wait, the window
// grows: slowly enough that little is fetched in vain.
func (q *sequence) advance(off, end int64) {
	q.next = max(q.next, end)
	q.read += end - off
	if q.waited && q.read >= max(q.size/8, minWindow/4) {
		q.size *= 2
		q.read = 0
		q.waited = false
	}
}

// failed makes the window small again, and have fetched up to off only.
func (q *sequence) failed(off int64) {
	q.size = minWindow
	q.read = 0
	q.ahead = min(q.ahead, off)
}

// noteLocked takes in a read of [off, end) and returns the sequence it belongs
// to, or nil.
func (r *Reader) noteLocked(off, end int64) *sequence {
	r.reads++
	i := slices.IndexFunc(r.sequences, func(q *sequence) bool { return q.covers(off) })
	var q *sequence
	if i >= 0 {
		q = r.sequences[i]
		q.advance(off, end)
	} else if off == 0 || r.continuesLocked(off) {
		q = r.beginLocked(off, end)
	} else {
		r.strays++
		r.ends[r.strays%int64(len(r.ends))] = end
		for _, q := range slices.Clone(r.sequences) {
			if q.next == 0 || r.strays-q.strays >= maxStrays { // opened, and not read from its begin; or left
				r.c.endLocked(q)
			}
		}
		return nil
	}
	q.used, q.strays, q.time = r.reads, r.strays, r.c.now()
	return q
}

// continuesLocked reports whether a read at off goes on where another, that
// belonged to no sequence, ended lately.
func (r *Reader) continuesLocked(off int64) bool {
	for i, end := range r.ends {
		if end > 0 && off >= end && off <= end+blockSize {
			r.ends[i] = 0
			return true
		}
	}
	return false
}

// beginLocked begins a sequence with a read of [off, end), in the place of the
// one that was not read for longest if there are many.
func (r *Reader) beginLocked(off, end int64) *sequence {
	if len(r.sequences) == maxSequences {
		r.c.endLocked(slices.MinFunc(r.sequences, func(a, b *sequence) int { return int(a.used - b.used) }))
	}
	q := &sequence{
		r: r, size: minWindow, begin: off, next: end, ahead: off &^ (blockSize - 1), read: end - off,
		fetches: make(map[*fetch]struct{}),
	}
	r.sequences = append(r.sequences, q)
	r.c.sequences[q] = struct{}{}
	return q
}

// endLocked ends q: what was fetched ahead for it is anyone's.
func (c *Cache) endLocked(q *sequence) {
	r := q.r
	q.r = nil
	delete(c.sequences, q)
	r.sequences = slices.DeleteFunc(r.sequences, func(x *sequence) bool { return x == q })
	for f := range q.fetches {
		delete(q.fetches, f)
		f.owner = nil
		for _, b := range f.blocks[f.filled:] {
			c.noteReadLocked(b)
		}
		c.cancelLocked(f)
	}
	for i := q.next / blockSize; i*blockSize < q.ahead; i++ {
		if b := r.v.blocks[i]; b != nil && b.fetch == nil {
			c.noteReadLocked(b)
		}
	}
}

// pausedLocked reports whether q is not read any more: not lately, and nobody waits there.
func (c *Cache) pausedLocked(q *sequence) bool {
	for f := range q.fetches {
		if f.waiters > 0 {
			return false
		}
	}
	return q.r == nil || c.now()-q.time >= staleAhead
}

// prefetchLocked starts requests ahead of q until its window is full.
func (c *Cache) prefetchLocked(q *sequence) {
	if c.longFetchLocked(q) {
		return
	}
	v := q.r.v
	size, request := c.sharesLocked(q)
	q.ahead = max(q.ahead, q.next&^(blockSize-1))
	for q.ahead < v.obj.Size && q.ahead-q.next <= size-request {
		from := q.ahead / blockSize
		if v.blocks[from] != nil {
			q.ahead += blockSize
			continue
		}
		if !v.onDisk(from) && !c.spareLocked() {
			return
		}
		end := min(v.count(), from+request/blockSize)
		if !c.roomAheadLocked(int(end-from), 0) {
			return // rather later than in bits
		}
		f := c.startLocked(v, q, from, from, end)
		q.ahead += int64(len(f.blocks)) * blockSize
	}
}

// sharesLocked returns how far ahead q may be and how large its requests are to
// be, in bytes, at least one block each.
func (c *Cache) sharesLocked(q *sequence) (size, request int64) {
	// What is in flight holds half of its bytes, on the average.
	most := min(2*int64(c.aheadMax)*blockSize, int64(c.streams)*maxFetch)
	largest := int64(maxFetch)
	if int64(c.speed.streams(c.streams))*maxFetchNear <= most {
		largest = maxFetchNear
	}
	parts := int64(4) // so many at a time at least
	if rate := c.bandwidth.Rate(time.Now()); rate > 0 {
		if brings := max(2*minWindow, rate*aheadSeconds); brings < most {
			most, parts = brings, aheadParts
		}
	}
	most /= int64(c.activeLocked())
	q.size = min(q.size, max(most, minWindow))
	size = max(blockSize, min(q.size, most)&^(blockSize-1))
	if size >= most&^(blockSize-1) && parts < aheadParts {
		parts = 2 // as many as memory allows
	}
	request = min(largest, max(size/parts, min(minWindow, size)))
	if !c.speed.transfer.Known() && q.ahead-q.begin >= minWindow && minWindow/4 <= q.next-q.begin && q.next-q.begin <= minWindow {
		size, request = minWindow+secondFetch, secondFetch // and then it is known
	}
	return size, max(blockSize, request&^(blockSize-1))
}

// activeLocked returns the number of sequences that were read lately, at least one.
func (c *Cache) activeLocked() int {
	const lately, often = 1e9, 5e7 // nanoseconds
	if now := c.now(); c.active == 0 || now-c.counted > often {
		c.counted, c.active = now, 0
		for q := range c.sequences {
			if now-q.time < lately {
				c.active++
			}
		}
		c.active = max(c.active, 1)
	}
	return c.active
}
