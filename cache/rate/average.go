package rate

import "time"

// Average is a mean of samples that weighs the latest most, an exponentially weighted moving
// average. Samples are not negative; 0 is the mean of none.
type Average[T ~int64 | ~float64] struct{ mean T }

// Add takes in a sample: the mean moves by one part in parts of the way to it. The first is
// the mean.
func (a *Average[T]) Add(v T, parts int) {
	if a.mean == 0 {
		a.mean = v
	}
	a.mean += (v - a.mean) / T(parts)
}

// Mean returns the average.
func (a *Average[T]) Mean() T { return a.mean }

// Requests measures the throughput of one request, whatever its size: a mean of the time that
// a byte takes. Where several go at once, they bring more together.
type Requests struct{ perByte Average[float64] } // nanoseconds

// Add takes in a request of n bytes, as Average.Add does.
func (r *Requests) Add(n int64, took time.Duration, parts int) {
	r.perByte.Add(float64(max(took, 1))/float64(n), parts)
}

// Known reports whether a request has been taken in.
func (r *Requests) Known() bool { return r.perByte.mean > 0 }

// Time returns how long a request of n bytes takes; 0 where that is not known.
func (r *Requests) Time(n int64) time.Duration {
	return time.Duration(float64(n) * r.perByte.mean)
}

// Rate returns bytes a second; 0 where that is not known.
func (r *Requests) Rate() int64 {
	if !r.Known() {
		return 0
	}
	return int64(float64(time.Second) / r.perByte.mean)
}
