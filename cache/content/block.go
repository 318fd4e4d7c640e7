package content

import (
	"github.com/s3share/s3share/cache/content/diskcache"
	"github.com/s3share/s3share/cache/content/prefetch"
	"github.com/s3share/s3share/s3backend"
)

type versionID struct{ key, etag string }

// version is one object version of which there are Readers or blocks. All
// fields but obj are guarded by Cache.mu.
type version struct {
	obj     s3backend.Object
	blocks  map[int64]*block // by index: in flight or full
	readers int
	private bool             // known to its Readers only: without ETag, or forgotten
	disk    *diskcache.Entry // nil: not kept on disk
	// validated is Cache.now when the source was last asked, of the requests that it answered with
	// bytes; 0 for never.
	validated   int64
	fetchingAll bool // fetchAll is at work

	rent     rent    // of random reads, since the whole was fetched last
	waiting  int     // reads that wait for requests which bypass the blocks
	bypassed []int64 // the blocks of the latest reads that bypassed them
	repeats  repeats // of small reads of what is cached
}

// count is the number of the version's blocks.
func (v *version) count() int64 { return (v.obj.Size + blockSize - 1) / blockSize }

// length is the size of block i in bytes.
func (v *version) length(i int64) int64 { return min(blockSize, v.obj.Size-i*blockSize) }

// State implements prefetch.Blocks.
func (v *version) State(i int64) prefetch.State {
	switch {
	case v.blocks[i] != nil:
		return prefetch.Here
	case v.onDisk(i):
		return prefetch.OnDisk
	}
	return prefetch.Missing
}

// onDisk reports whether block i can be read from the disk cache.
func (v *version) onDisk(i int64) bool { return v.disk != nil && v.disk.Has(i) }

// block is an aligned range of a version. It is in version.blocks from the
// start of its fetch until it is evicted, or its fetch fails or is cancelled.
type block struct {
	v     *version
	index int64
	slot  slot
	fetch *fetch        // nil once full
	err   error         // why the fetch failed
	done  chan struct{} // closed when the block is full or failed; nil if nobody waits
	pins  int           // who waits for it or copies from its slot; it is not evicted meanwhile
	owner *sequence     // which it was fetched ahead of; nil for none
	ahead bool          // fetched ahead of a reader and not read yet: counted in pool.ahead
	gone  bool          // no longer in version.blocks
	time  int64         // Cache.now of the last use
}

// versions are the object versions of which there are Readers or blocks, but for private ones.
type versions map[versionID]*version

// retire forgets v when nothing is left of it in memory.
func (all versions) retire(v *version) {
	id := versionID{v.obj.Key, v.obj.ETag}
	if v.readers == 0 && len(v.blocks) == 0 && all[id] == v {
		delete(all, id)
	}
}
