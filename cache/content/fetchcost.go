package content

import (
	"math"
	"time"
)

// Random reads fetch what they ask for, or the whole object is fetched for them. Which costs less
// depends on how many reads will come, which nobody knows. So the whole is fetched once reads have
// cost as much as it will: however many come, no more is spent than twice what the better choice
// costs. This is known as the rent-or-buy problem, or ski rental.
//
// All costs are times. Requests wait for the source and take processor time, which overlap: the
// longer of the two counts.

const (
	// fetchAllAfter is the fewest random reads for which a whole object is fetched.
	fetchAllAfter = 16
	// fetchAllRate is how fast a whole object comes at best, in bytes a second. A good connection
	// gives as much, and one processor receives as much and writes it to the disk.
	fetchAllRate = 800 << 20
	// minTrial is how long the whole is fetched at least, whatever reads have cost: until requests
	// have become many.
	minTrial = 250 * time.Millisecond
	// requestCPU is the processor time that a request for a few KiB takes, as measured.
	requestCPU = 250 * time.Microsecond
)

// wholeCost returns how long n bytes take by long requests, at rate bytes a second.
func wholeCost(n, rate int64) time.Duration {
	nanoseconds := float64(n) / float64(max(rate, 1)) * 1e9
	return time.Duration(min(nanoseconds, math.MaxInt64/4))
}

// rent is what random reads of an object have cost, and fetching the whole of it for them.
type rent struct {
	requests int64
	waited   time.Duration // by reads, for these; reads that wait at the same time are counted once
	answer   time.Duration // the shortest that the source has taken to answer

	paused time.Duration // the cost of reads when fetching the whole was paused last; 0 for never
	spent  time.Duration // how long that has taken, until it was paused
	rate   int64         // how fast it came in the end, in bytes a second
}

// cost returns what reads have cost. Requests at the same time share a processor, but not the way
// to the source and back.
func (r rent) cost() time.Duration {
	return max(r.waited, time.Duration(r.requests)*max(r.answer, requestCPU))
}

// beginsWhole reports whether to fetch the n bytes of the object that are missing, which are
// thought to come at rate bytes a second. If that was paused, it is known how fast they come. But
// the connection may be faster later: when reads have cost twice as much, it is tried again.
func (r rent) beginsWhole(n, rate int64) bool {
	switch {
	case r.requests < fetchAllAfter:
		return false
	case r.paused == 0:
		return r.cost() >= wholeCost(n, rate)
	}
	return r.cost() >= min(r.spent+wholeCost(n, r.rate), 2*r.paused)
}

// continuesWhole reports whether to go on with that when it has taken so long: it has cost no more
// than the reads have until now.
func (r rent) continuesWhole(took time.Duration) bool {
	return took <= max(r.cost()-r.spent, minTrial)
}

// pause records that fetching the whole is paused, after it took so long.
func (r *rent) pause(took time.Duration) {
	r.spent += took
	r.paused = r.cost()
}
