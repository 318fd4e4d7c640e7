package content

import (
	"context"
	"errors"

	"github.com/s3share/s3share/cache/content/diskcache"
	"github.com/s3share/s3share/cache/content/prefetch"
)

// ErrSpared is the error of a read that would fetch more than its caller allows.
var ErrSpared = errors.New("the program may not fetch more of the file")

// sparingBlocks is how many blocks a sparing read fetches at once: 256 KiB.
const sparingBlocks = 2

// ReadSparing is ReadAt for a reader that needs little of a large object. It fetches nothing ahead,
// and only if may, which gets the number of bytes that are missing, returns true; else its error is
// ErrSpared. What is cached is read without asking. may is called under the Cache's lock, and must
// not call the Cache.
func (r *Reader) ReadSparing(ctx context.Context, p []byte, off int64,
	may func(missing int64) bool) (int, error) {
	return r.readLocking(p, off, func(want []byte) (int, error) {
		c, v := r.c, r.v
		from, to := off/blockSize, diskcache.BlocksIn(off+int64(len(want)))
		for i := from; i < to; i++ {
			c.skipLongFetchLocked(v, nil, i)
		}
		if v.missingBytesLocked(from, to) > 0 {
			from -= from % sparingBlocks
			to = min((to+sparingBlocks-1)/sparingBlocks*sparingBlocks, v.count())
			if !may(v.missingBytesLocked(from, to)) {
				return 0, ErrSpared
			}
		}
		for i := from; i < to; i++ {
			if v.blocks[i] == nil {
				c.startLocked(v, nil, i, to, to)
			}
		}
		return r.copyLocked(ctx, nil, p, want, off)
	})
}

// missingBytesLocked is how many bytes of the blocks [from, to) are neither here nor on the disk.
func (v *version) missingBytesLocked(from, to int64) (bytes int64) {
	for i := from; i < to; i++ {
		if v.State(i) == prefetch.Missing {
			bytes += v.length(i)
		}
	}
	return bytes
}
