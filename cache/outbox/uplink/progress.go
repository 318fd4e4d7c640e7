package uplink

import (
	"sync/atomic"

	"github.com/s3share/s3share/cache/rate"
)

// Progress is how much of one file S3 has, and how much is on its way. The zero Progress is ready
// to use. Its methods may be called by any goroutine.
type Progress struct {
	sent       atomic.Int64 // bytes
	inFlight   atomic.Int64 // bytes that requests without an answer have read
	throughput rate.Meter
}

// Begin counts what is read of the body of a request of the file, unless t is nil.
func (p *Progress) Begin(t *Ticket) {
	t.OnRead(p.moved)
	p.throughput.Start()
}

// moved records that n bytes more are in flight. n is negative when a request has ended.
func (p *Progress) moved(n int64) {
	p.inFlight.Add(n)
	if n > 0 {
		p.throughput.Add(n)
	}
}

// SetSent records that S3 has n bytes.
func (p *Progress) SetSent(n int64) { p.sent.Store(n) }

// AddSent records that S3 has n bytes more. copied is set if it has copied them by itself.
func (p *Progress) AddSent(n int64, copied bool) {
	p.sent.Add(n)
	if copied {
		p.throughput.Add(n)
	}
}

// Sent returns how many bytes S3 has.
func (p *Progress) Sent() int64 { return p.sent.Load() }

// InFlight returns how many bytes requests without an answer have read. They are sent again if
// their request fails.
func (p *Progress) InFlight() int64 { return p.inFlight.Load() }

// Rate returns the present throughput, in bytes per second.
func (p *Progress) Rate() int64 { return p.throughput.Rate() }
