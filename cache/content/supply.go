package content

import (
	"time"

	"github.com/s3share/s3share/cache/content/prefetch"
	"github.com/s3share/s3share/cache/rate"
)

// supply is what all sequences share, and how it goes: the memory, the requests at a time, and the
// connection as it was measured. Its lock is Cache.mu.
type supply struct {
	clock     clock
	limit     int // requests at a time
	aheadMax  int // blocks ahead of all readers
	speed     speed
	bandwidth rate.Peak              // of what comes from the source
	sequences map[*sequence]struct{} // of all Readers
	active    int                    // of them, those read lately; see readLately
	counted   int64                  // when active was counted
}

// newSupply returns a supply of so many requests at a time, and blocks ahead of all readers.
func newSupply(c clock, limit, aheadMax int) *supply {
	s := &supply{clock: c, limit: limit, aheadMax: aheadMax,
		sequences: make(map[*sequence]struct{})}
	s.bandwidth.Start(c.born)
	return s
}

// single reports whether one connection is enough for each reader.
func (s *supply) single() bool {
	if !s.speed.transfer.Known() {
		return false
	}
	rate := s.speed.transfer.Rate()
	if s.speed.latency.Mean() <= nearby {
		rate *= int64(s.readLately())
	}
	if s.speed.single {
		rate *= 4
	}
	s.speed.single = rate >= longFetchRate
	return s.speed.single
}

// snapshot returns what all sequences share, but for Single.
func (s *supply) snapshot() prefetch.Supply {
	return prefetch.Supply{
		Memory:    int64(s.aheadMax) * blockSize,
		Streams:   s.limit,
		Enough:    s.speed.streams(s.limit),
		Measured:  s.speed.transfer.Known(),
		Bandwidth: s.bandwidth.Rate(time.Now()),
		Sequences: s.readLately(),
	}
}

// readLately returns the number of sequences that were read lately, at least one.
func (s *supply) readLately() int {
	const lately, often = 1e9, 5e7 // nanoseconds
	if now := s.clock.now(); s.active == 0 || now-s.counted > often {
		s.counted, s.active = now, 0
		for q := range s.sequences {
			if now-q.LastRead() < lately {
				s.active++
			}
		}
		s.active = max(s.active, 1)
	}
	return s.active
}

// wholeRate returns the rate at which a whole object is expected to come, in bytes a second:
// the measured rate of a connection times their number, but at most fetchAllRate.
func (s *supply) wholeRate() int64 {
	if s.speed.transfer.Known() {
		return min(fetchAllRate, s.speed.transfer.Rate()*int64(s.limit))
	}
	return fetchAllRate
}
