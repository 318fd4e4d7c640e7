package uplink

import (
	"time"

	"github.com/s3share/s3share/cache/rate"
)

// throughput measures how many bytes were sent of late, on a clock that stands still while
// nothing is in flight. The zero throughput is ready, and knows nothing.
type throughput struct {
	at    time.Time // when the clock was set last
	clock time.Time // the zero time, and how long bytes were in flight since the window began
	sent  int64     // since then
	last  rate.Window
}

// tick sets the clock; busy says whether bytes were in flight since it was set last.
func (t *throughput) tick(busy bool) {
	now := time.Now()
	switch since := now.Sub(t.at); {
	case busy:
		t.clock = t.clock.Add(since)
	case since > window:
		*t = throughput{} // by now it may be another connection
		t.last.Start(t.clock)
	}
	t.at = now
}

// add notes that n bytes more were sent. What has to be sent again was sent all the same: a
// negative n counts for nothing.
func (t *throughput) add(n int64) {
	t.sent += max(0, n)
	t.last.Set(t.clock, t.sent)
}

// during returns how many bytes are sent in d.
func (t *throughput) during(d time.Duration) int64 {
	if t.sent == 0 {
		return initialBudget
	}
	n, took := t.last.Last(t.clock)
	return int64(float64(n) * float64(d) / float64(max(took, minInterval)))
}
