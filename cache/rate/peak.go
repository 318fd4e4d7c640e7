package rate

import "time"

const (
	// peakSpan is how long bytes are counted for one rate. Several requests may record large
	// pieces at once: a shorter time would measure that.
	peakSpan = time.Second
	// minPeakSpan is from when on the second that is counted now says something.
	minPeakSpan = peakSpan / 16
	// peaks is how many seconds are remembered. Those in which nothing came are none.
	peaks = 4
)

// Peak measures the most bytes that came in one of the last seconds.
type Peak struct {
	begun time.Time // of the second that is counted now
	bytes int64     // that came in it
	rates [peaks]int64
	n     int64 // of the rates so far
}

// Start records that bytes may come from now on. Without it the first come in no time.
func (p *Peak) Start(now time.Time) { p.begun = now }

// Add records n bytes that came just now.
func (p *Peak) Add(now time.Time, n int64) {
	if now.Sub(p.begun) >= peakSpan {
		if p.bytes > 0 {
			p.rates[p.n%peaks] = perSecond(p.bytes, peakSpan)
			p.n++
		}
		p.begun, p.bytes = now, 0
	}
	p.bytes += n
}

// Rate returns bytes a second; 0 where nothing has come.
func (p *Peak) Rate(now time.Time) (most int64) {
	if took := now.Sub(p.begun); took >= minPeakSpan && took < 2*peakSpan {
		most = perSecond(p.bytes, took)
	}
	for _, r := range p.rates {
		most = max(most, r)
	}
	return most
}
