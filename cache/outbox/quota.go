package outbox

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/s3share/s3share/cache/freespace"
)

const (
	// spaceAge and spaceStep are how long, and for how many bytes, an answer
	// about the free space is good.
	spaceAge  = 200 * time.Millisecond
	spaceStep = 32 << 20
)

// quota limits the bytes that are staged in dir.
type quota struct {
	dir     string
	max     int64 // bytes; 0: what the disk has
	minFree int64 // bytes that stay free on the disk; 0: a share of it

	staged atomic.Int64 // bytes that are reserved

	// mu guards the fields below: what is known of the disk.
	mu    sync.Mutex
	at    time.Time
	total int64
	free  int64 // above the floor, less what was reserved since
	given int64
}

// reserve reserves n bytes for a stage, or refuses them before the disk is full: the journal
// needs some, and so do other programs. A negative n gives bytes back.
func (q *quota) reserve(n int64) error {
	if n < 0 {
		q.staged.Add(n)
		return nil
	}
	if q.max > 0 && q.staged.Load()+n > q.max {
		return fmt.Errorf("the outbox holds %d bytes, of %d at most: %w", q.staged.Load(), q.max,
			unix.ENOSPC)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if time.Since(q.at) > spaceAge || q.given > spaceStep || q.free < n {
		if err := q.statfsLocked(); err != nil {
			return err
		}
	}
	if q.free < n {
		return fmt.Errorf("too little room in %s: %w", q.dir, unix.ENOSPC)
	}
	q.free -= n
	q.given += n
	q.staged.Add(n)
	return nil
}

// statfsLocked asks the file system for its free space.
func (q *quota) statfsLocked() error {
	total, free, err := freespace.Of(q.dir)
	if err != nil {
		return err
	}
	q.total = total
	floor := q.minFree
	if floor == 0 {
		floor = freespace.Floor(total)
	}
	q.free = free - floor
	q.at, q.given = time.Now(), 0
	return nil
}

// space returns how many bytes can be staged in all, and how many more.
func (q *quota) space() (total, free int64, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.statfsLocked(); err != nil {
		return 0, 0, err
	}
	total, free = q.total, max(0, q.free)
	if q.max > 0 {
		total = min(total, q.max)
		free = min(free, max(0, q.max-q.staged.Load()))
	}
	return total, free, nil
}

// Space returns how many bytes can be staged in all, and how many more.
func (o *Outbox) Space() (total, free int64, err error) { return o.quota.space() }
