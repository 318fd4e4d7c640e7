package content

import (
	"github.com/s3share/s3share/cache/content/diskcache"
	"github.com/s3share/s3share/cache/content/prefetch"
)

// A small read of what is cached here costs a request of the kernel, about as much as it costs to
// give the kernel the whole block. So the second such read of a block offers the kernel the block:
// see View.Around. By the rule of fetchcost.go, that is never more than twice what the better
// choice costs, however many reads of the block will come.

// smallRead is the longest read that counts, in bytes. The kernel reads ahead of a sequential
// reader by more, but for the first time.
// Source: Linux, mm/readahead.c, get_init_ra_size.
const smallRead = 16 << 10

// repeats is in which blocks of a version there was one small read, as a bit for each. The zero
// repeats has none.
type repeats map[int64]uint64

// note takes in a small read of the blocks [from, to), and reports whether it is the second of each
// of them. Then it counts anew: the kernel may drop what it is given.
func (r *repeats) note(from, to int64) bool {
	if *r == nil {
		*r = make(repeats)
	}
	second := true
	for i := from; i < to; i++ {
		second = second && (*r)[i>>6]&(1<<(i&63)) != 0
	}
	for i := from; i < to; i++ {
		if second {
			(*r)[i>>6] &^= 1 << (i & 63)
		} else {
			(*r)[i>>6] |= 1 << (i & 63)
		}
	}
	return second
}

// repeatedLocked takes in a read of [off, end), and reports whether to offer the kernel all of its
// blocks. What the kernel has is read without our knowledge, so it is offered only where Whole does
// not depend on that.
func (r *Reader) repeatedLocked(off, end int64) bool {
	v := r.v
	from, to := off/blockSize, diskcache.BlocksIn(end)
	if end-off > smallRead || v.obj.Size <= prefetch.MinWindow || !r.read.settled(v.obj.Size) {
		return false
	}
	for i := from; i < to; i++ {
		if b := v.blocks[i]; b == nil && !v.onDisk(i) || b != nil && b.fetch != nil {
			return false
		}
	}
	return v.repeats.note(from, to)
}
