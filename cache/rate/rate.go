// Package rate measures throughput: how many bytes a second went somewhere of late.
//
// There are four measures, each for its question:
//
//   - A [Window] is what went through in the last seconds: what a person is shown, and what a
//     budget is made of. A [Meter] is a Window for many goroutines on the machine's clock.
//   - A [Peak] is the most that went through in one of the last seconds: what a connection can
//     carry, though it was idle meanwhile.
//   - [Requests] is the throughput of one request, the mean of those of late.
//   - An [Average] is the mean of any other quantity of late, such as a latency.
//
// Rates are in bytes a second. But for Meter, nothing here has a clock or a lock: the caller
// gives the time, which must not go back, and may be any clock's, such as one that stands still
// while nothing is in flight. The zero values are ready, and have measured nothing.
package rate

import (
	"math"
	"time"
)

// perSecond returns n bytes in the time took as bytes a second; 0 where no time has passed.
func perSecond(n int64, took time.Duration) int64 {
	if took <= 0 {
		return 0
	}
	return int64(math.Round(float64(n) / took.Seconds()))
}
