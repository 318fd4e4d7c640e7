package content

import "time"

// On a slow connection, what is fetched ahead of a reader takes from what is read next, and is
// in vain when the program stops or jumps. So no more is fetched ahead than comes in a few
// seconds at the recent bandwidth.
const (
	// aheadSeconds is how long it may take until all that is ahead of readers has come.
	aheadSeconds = 4
	// aheadParts is in how many requests at a time: connections may have limits of their own.
	aheadParts = 16

	// Blocks of several requests become full at once: a shorter window would measure that.
	bandwidthWindow    = time.Second
	bandwidthWindows   = 4 // windows: a connection is taken to be as fast as it was in the best of them
	minBandwidthWindow = bandwidthWindow / 16
)

// bandwidth measures what comes from the source.
type bandwidth struct {
	begun int64 // of the window that is counted now, Cache.now
	bytes int64 // that came in it
	rates [bandwidthWindows]int64
	n     int64 // windows before
}

// add counts bytes that came just now.
func (a *bandwidth) add(now, bytes int64) {
	if now-a.begun >= int64(bandwidthWindow) {
		if a.bytes > 0 {
			a.rates[a.n%bandwidthWindows] = a.bytes * int64(time.Second) / int64(bandwidthWindow)
			a.n++
		}
		a.begun, a.bytes = now, 0
	}
	a.bytes += bytes
}

// rate returns the most that came in a window lately, in bytes a second; 0 where nothing has.
func (a *bandwidth) rate(now int64) (most int64) {
	if took := now - a.begun; took >= int64(minBandwidthWindow) && took < 2*int64(bandwidthWindow) {
		most = a.bytes * int64(time.Second) / took
	}
	for _, r := range a.rates {
		most = max(most, r)
	}
	return most
}
