package rate

import (
	"sync"
	"time"
)

// Span is the time over which a Window measures.
const Span = 10 * time.Second

// step is the shortest time between two samples of a Window.
const step = Span / 100

// Window measures the bytes of the last Span.
type Window struct {
	total   int64
	changed time.Time // when it was started or counted last
	samples []sample  // the last one before the Span, and those in it
}

type sample struct {
	at    time.Time
	total int64
}

// Start records that bytes go from now on. It changes nothing where others went within the last
// Span: a new request is part of the same flow.
func (w *Window) Start(now time.Time) {
	if len(w.samples) > 0 && now.Sub(w.changed) < Span {
		return
	}
	w.changed, w.samples = now, append(w.samples[:0], sample{now, w.total})
}

// Add records n bytes more.
func (w *Window) Add(now time.Time, n int64) { w.Set(now, w.total+n) }

// Set records that total bytes have gone since the beginning. Those before the first call, of
// Start, Add or Set, are not measured.
func (w *Window) Set(now time.Time, total int64) {
	w.total, w.changed = total, now
	if n := len(w.samples); n == 0 || now.Sub(w.samples[n-1].at) >= step {
		w.samples = append(w.samples, sample{now, total})
	}
	for len(w.samples) > 1 && now.Sub(w.samples[1].at) >= Span {
		w.samples = w.samples[1:]
	}
}

// Last returns the bytes that were measured last and the time in which they went: about Span,
// less after the beginning, and more where nothing has been recorded for a while.
func (w *Window) Last(now time.Time) (n int64, took time.Duration) {
	if len(w.samples) == 0 {
		return 0, 0
	}
	return w.total - w.samples[0].total, now.Sub(w.samples[0].at)
}

// Rate returns what Last returns as bytes a second.
func (w *Window) Rate(now time.Time) int64 { return perSecond(w.Last(now)) }

// idleAfter is how long nothing moves until the rate of a Meter is 0.
const idleAfter = 3 * Span

// Meter is a Window on the machine's clock. Its methods may be called by any goroutine.
type Meter struct {
	mu     sync.Mutex // guards the window
	window Window
}

// Start records that bytes go from now on.
func (m *Meter) Start() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.window.Start(time.Now())
}

// Add records n bytes more.
func (m *Meter) Add(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.window.Add(time.Now(), n)
}

// Rate returns bytes a second; 0 once nothing has moved for half a minute.
func (m *Meter) Rate() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if now.Sub(m.window.changed) > idleAfter {
		return 0
	}
	return m.window.Rate(now)
}
