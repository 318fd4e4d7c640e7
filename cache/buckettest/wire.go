package buckettest

import (
	"context"
	"io"
	"sync/atomic"
	"time"
)

// Wire is a line to S3 in a test's own time: its connections share a rate, and each has a
// limit of its own and a buffer that takes bytes at once.
type Wire struct {
	Rate     atomic.Int64 // bytes a second, of all connections
	InFlight atomic.Int64 // connections now
	Peak     atomic.Int64 // the most connections at once since it was reset
	Carried  atomic.Int64 // bytes

	each   int64 // bytes a second of one connection; 0: as Rate
	buffer int64
	busy   chan struct{} // holds a token of the connection that sends
}

// NewWire returns a line of rate bytes a second, each of them for one connection (0: as rate),
// and buffer bytes of buffer for each connection.
func NewWire(rate, each, buffer int64) *Wire {
	w := &Wire{each: each, buffer: buffer, busy: make(chan struct{}, 1)}
	w.Rate.Store(rate)
	return w
}

// Send passes the body on, and returns when all of it has arrived.
func (w *Wire) Send(ctx context.Context, body io.Reader) error {
	w.Peak.Store(max(w.Peak.Load(), w.InFlight.Add(1)))
	defer w.InFlight.Add(-1)
	const step = 128 << 10
	queue := make(chan int, max(1, w.buffer/step))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := range queue {
			if ctx.Err() != nil {
				continue
			}
			at := time.Now()
			w.busy <- struct{}{}
			time.Sleep(time.Duration(int64(n) * int64(time.Second) / w.Rate.Load()))
			<-w.busy
			if w.each > 0 {
				time.Sleep(
					time.Until(at.Add(time.Duration(int64(n) * int64(time.Second) / w.each))))
			}
			w.Carried.Add(int64(n))
		}
	}()
	buf := make([]byte, step)
	for ctx.Err() == nil {
		n, err := body.Read(buf)
		if err != nil {
			break
		}
		queue <- n
	}
	close(queue)
	<-done
	return ctx.Err()
}
