package content

import "time"

// On a slow line, what is fetched ahead of a reader takes from what is read next, and is
// in vain when the program stops or jumps. So no more is ahead than the line brings in a
// few seconds. How much that is, is told by what came lately.
const (
	// aheadSeconds is for how long the line brings what is ahead of readers, all together.
	aheadSeconds = 4
	// aheadParts is in how many requests at a time: connections may have limits of their own.
	aheadParts = 16

	// Blocks of several requests become full at once: shorter slots would tell of that.
	arrivalSlot = time.Second
	arrivalKept = 4 // slots: a line is taken to be as fast as it was at its best in them
	arrivalSoon = arrivalSlot / 16
)

// arrivals counts what comes from the source.
type arrivals struct {
	begun int64 // of the slot that is counted now, Cache.now
	bytes int64 // that came in it
	rates [arrivalKept]int64
	n     int64 // slots before
}

// add counts bytes that came just now.
func (a *arrivals) add(now, bytes int64) {
	if now-a.begun >= int64(arrivalSlot) {
		if a.bytes > 0 {
			a.rates[a.n%arrivalKept] = a.bytes * int64(time.Second) / int64(arrivalSlot)
			a.n++
		}
		a.begun, a.bytes = now, 0
	}
	a.bytes += bytes
}

// rate is the most that came in a slot lately, in bytes a second; 0 where nothing has.
func (a *arrivals) rate(now int64) (most int64) {
	if took := now - a.begun; took >= int64(arrivalSoon) && took < 2*int64(arrivalSlot) {
		most = a.bytes * int64(time.Second) / took
	}
	for _, r := range a.rates {
		most = max(most, r)
	}
	return most
}
