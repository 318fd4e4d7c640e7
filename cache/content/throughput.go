package content

import "time"

// speed is what requests have taken lately.
type speed struct {
	latency time.Duration // until the first byte
	perMiB  time.Duration // from then on; zero until a request has been measured
	single  bool          // one connection was enough for each reader
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
	if p.bytes < maxFetch && !end {
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
	perMiB := max(1, time.Duration(int64(transfer)*(1<<20)/n))
	if s.perMiB == 0 {
		s.latency, s.perMiB = latency, perMiB
		return
	}
	s.latency += (latency - s.latency) / 8
	s.perMiB += (perMiB - s.perMiB) / 8
}

// wanted is the throughput to aim at, in bytes a second: what a FUSE mount can
// pass on at most.
const wanted = 2 << 30

// streams is how many requests of maxFetch it takes to reach the wanted
// throughput, of at most limit. Servers limit each connection, so on a long way
// the number of requests decides, not their size; but fewer cost less.
func (s *speed) streams(limit int) int {
	if s.perMiB == 0 {
		return limit
	}
	one := s.latency + maxFetch>>20*s.perMiB
	n := int(one.Seconds()*wanted/maxFetch) + 1
	return min(max(n, 4), limit)
}
