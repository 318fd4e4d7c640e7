package content

import (
	"time"

	"github.com/s3share/s3share/cache/content/prefetch"
	"github.com/s3share/s3share/cache/rate"
)

// speed is how requests have gone lately. What comes of all together is measured by
// supply.bandwidth: it does not tell how many requests that takes.
type speed struct {
	latency  rate.Average[time.Duration] // until the first byte
	transfer rate.Requests               // from then on
	single   bool                        // one connection was enough for each reader
}

// pace is how a request goes, while it does not wait for room.
type pace struct {
	asked  time.Duration // until the first byte
	since  time.Time
	bytes  int64 // since then
	broken bool  // it has waited: what has come since lay in the connection's buffer
}

// take notes p from time to time, and at the request's end.
func (s *speed) take(p *pace, end bool) {
	if p.bytes < prefetch.MaxRequest && !end {
		return
	}
	if !p.broken {
		s.note(p.asked, time.Since(p.since), p.bytes)
	}
	p.since, p.bytes, p.broken = time.Now(), 0, false
}

// note adds a request of n bytes to the averages.
func (s *speed) note(latency, transfer time.Duration, n int64) {
	if n < 512<<10 {
		return // too short to tell
	}
	s.latency.Add(latency, 8)
	s.transfer.Add(n, transfer, 8)
}

// wanted is the throughput to aim at, in bytes a second: what a FUSE mount can
// pass on at most.
const wanted = 2 << 30

// streams is how many requests of prefetch.MaxRequest it takes to reach the wanted
// throughput, of at most limit. Servers limit each connection, so on a long way
// the number of requests decides, not their size; but fewer cost less.
func (s *speed) streams(limit int) int {
	if !s.transfer.Known() {
		return limit
	}
	one := s.latency.Mean() + s.transfer.Time(prefetch.MaxRequest)
	n := int(one.Seconds()*wanted/prefetch.MaxRequest) + 1
	return min(max(n, 4), limit)
}
