package outbox

import (
	"fmt"
	"sync"
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

// freeSpace remembers how much of the disk is free.
type freeSpace struct {
	mu    sync.Mutex
	at    time.Time
	total int64
	free  int64 // above the floor, less what was given away since
	given int64
}

// reserve reserves n bytes for a stage, or refuses them before the disk is full: the journal
// needs some, and so do other programs. A negative n gives bytes back.
func (o *Outbox) reserve(n int64) error {
	if n < 0 {
		o.staged.Add(n)
		return nil
	}
	if o.cfg.Size > 0 && o.staged.Load()+n > o.cfg.Size {
		return fmt.Errorf("the outbox holds %d bytes, of %d at most: %w", o.staged.Load(), o.cfg.Size, unix.ENOSPC)
	}
	d := &o.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if time.Since(d.at) > spaceAge || d.given > spaceStep || d.free < n {
		if err := o.statfsLocked(); err != nil {
			return err
		}
	}
	if d.free < n {
		return fmt.Errorf("too little room in %s: %w", o.cfg.Dir, unix.ENOSPC)
	}
	d.free -= n
	d.given += n
	o.staged.Add(n)
	return nil
}

// statfsLocked asks the disk.
func (o *Outbox) statfsLocked() error {
	total, free, err := freespace.Of(o.cfg.Dir)
	if err != nil {
		return err
	}
	d := &o.disk
	d.total = total
	floor := o.cfg.MinFree
	if floor == 0 {
		floor = freespace.Floor(total)
	}
	d.free = free - floor
	d.at, d.given = time.Now(), 0
	return nil
}

// Space tells how many bytes can be staged in all, and how many more.
func (o *Outbox) Space() (total, free int64, err error) {
	o.disk.mu.Lock()
	defer o.disk.mu.Unlock()
	if err := o.statfsLocked(); err != nil {
		return 0, 0, err
	}
	total, free = o.disk.total, max(0, o.disk.free)
	if o.cfg.Size > 0 {
		total = min(total, o.cfg.Size)
		free = min(free, max(0, o.cfg.Size-o.staged.Load()))
	}
	return total, free, nil
}
