package uplink

import "time"

// throughput measures how many bytes were sent of late. Its clock stands still while nothing
// is in flight. The zero throughput is ready, and knows nothing.
type throughput struct {
	at      time.Time // when the clock was set last
	clock   time.Duration
	sent    int64
	samples []sample // the last one before the window, and those in it
}

type sample struct {
	clock time.Duration
	sent  int64
}

// tick sets the clock; busy says whether bytes were in flight since it was set last.
func (t *throughput) tick(busy bool) {
	now := time.Now()
	switch since := now.Sub(t.at); {
	case busy:
		t.clock += since
	case since > window:
		*t = throughput{samples: t.samples[:0]} // by now it may be another connection
	}
	t.at = now
}

// add notes that n bytes more were sent. What has to be sent again was sent all the same: a
// negative n counts for nothing.
func (t *throughput) add(n int64) {
	t.sent += max(0, n)
	if len(t.samples) == 0 {
		t.samples = append(t.samples, sample{})
	}
	if t.clock-t.samples[len(t.samples)-1].clock >= window/16 {
		t.samples = append(t.samples, sample{t.clock, t.sent})
	}
	for len(t.samples) > 1 && t.clock-t.samples[1].clock >= window {
		t.samples = t.samples[1:]
	}
}

// during returns how many bytes are sent in d.
func (t *throughput) during(d time.Duration) int64 {
	if t.sent == 0 {
		return initialBudget
	}
	first := t.samples[0]
	return int64(float64(t.sent-first.sent) * float64(d) / float64(max(t.clock-first.clock,
		minInterval)))
}
