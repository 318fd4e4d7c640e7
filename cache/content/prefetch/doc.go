// Package prefetch decides what to fetch of an object, given the reads of a handle.
//
// A [Handle] is told of each read, and finds the [Sequence] that it belongs to: a place in the
// object that moves forward. Programs read several tracks of a file at once, and the kernel's
// readahead arrives in any order. Where the reads of a sequence have to wait, its window grows:
// that is how far ahead of the reads requests are started. A [Plan] returns these requests, as
// ranges of blocks, and [Sequence.Demand] how long a request is that a read waits for. [Supply]
// is what all sequences share, and bounds the window.
//
// This is arithmetic only. There is no lock: the caller has one. There is no clock and no
// request: the caller gives the time, says which blocks are here, and fetches.
package prefetch

import "github.com/s3share/s3share/cache/content/diskcache"

// blockSize is the unit of requests, in bytes.
const blockSize = diskcache.BlockSize

// Offsets and sizes are in bytes, and blocks are numbered from 0.
const (
	// MinWindow is what the first of a sequence of reads fetches. It is small, as
	// many programs look at a file's head only, and yet costs little more time than
	// one block.
	MinWindow = 1 << 20

	// MaxRequest is the most that one request asks for where many of them make it
	// fast. Larger ones are hardly faster, and each holds half of its bytes, on
	// the average, until its reader has come there.
	MaxRequest = 8 << 20
	// MaxRequestNear is the most where few requests are as fast as many.
	MaxRequestNear = 16 << 20

	// reach is how far behind the furthest read of a sequence a read may
	// still belong to it: the kernel's readahead of one file arrives concurrently,
	// in any order.
	reach = 8 << 20

	maxSequences = 4 // at a time on one Handle: several tracks of one file, or threads

	// MaxStrays is how many reads in no sequence end those not read meanwhile.
	MaxStrays = 16
)

// On a slow connection, what is fetched ahead of a reader takes from what is read next, and is
// in vain when the program stops or jumps. So no more is fetched ahead than comes in a few
// seconds at the recent bandwidth.
const (
	// MaxAheadSeconds is how long it may take until all that is ahead of readers has come.
	MaxAheadSeconds = 4
	// aheadParts is in how many requests at a time: connections may have limits of their own.
	aheadParts = 16
)

// Where one connection brings about as much as a mount can pass on, a sequential reader
// has one request at a time, a long one: requests have their price, and many at once
// would only take turns.
const (
	// A long request is longGrowth times as long as what its reader has read before, from
	// MaxRequest to maxLong: who reads on does so with few requests, and who does not
	// leaves few connections half used.
	longGrowth = 32
	maxLong    = 1 << 30
	// secondRequest is what a sequence asks for behind its first request, when it is not
	// known yet how fast a connection is.
	secondRequest = 3 << 20
	// longLead is how far before the end of a long request the next one begins, at most.
	longLead = 16 << 20
	// LongPassed is how far behind the place to which a long request has come another read
	// may be, to wait for it there.
	LongPassed = MaxRequestNear
)
