package watch

import (
	"time"

	"github.com/s3share/s3share/cache/changes"
)

// delayed is an event of one object that waits, and longer each time that nothing has come of it.
type delayed struct {
	version changes.Version
	next    time.Time // when it is tried again
	pause   time.Duration
}

// waits reports whether the event of a version is not tried yet.
func (d delayed) waits(v changes.Version) bool {
	return d.version == v && time.Now().Before(d.next)
}

// delay has the event of a version wait from now on: first for shortest, then twice as long each
// time, and for longest at most. begun is set if it is the first time.
func (d delayed) delay(v changes.Version,
	shortest, longest time.Duration) (now delayed, begun bool) {
	begun = d.version != v || d.pause == 0
	if begun {
		d = delayed{version: v, pause: shortest / 2}
	}
	d.pause = min(2*d.pause, longest)
	d.next = time.Now().Add(d.pause)
	return d, begun
}
