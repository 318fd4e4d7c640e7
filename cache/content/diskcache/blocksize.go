package diskcache

// BlockSize is the cache's unit in bytes. It is the largest read that the
// kernel sends to a FUSE mount by default.
const BlockSize = 128 << 10

// BlocksIn returns how many blocks n bytes fill or begin.
func BlocksIn(n int64) int64 { return (n + BlockSize - 1) / BlockSize }
