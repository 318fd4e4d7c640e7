package ui

import (
	"fmt"
	"io"
	"time"

	"github.com/s3share/s3share/cache/rate"
	"github.com/s3share/s3share/cache/transfer"
)

// TransferBar shows on a terminal how far a transfer has come.
type TransferBar struct {
	*oneBar
	Meter transfer.Meter
	stop  chan struct{} // nil where there is no terminal
	done  chan struct{}
}

// NewTransferBar returns a bar that shows its Meter. past is the verb in the past tense, such
// as "fetched". The caller calls End.
func NewTransferBar(w io.Writer, past string) *TransferBar {
	b := &TransferBar{}
	b.oneBar = newOneBar(w, bytesCounters(), func() string {
		return fmt.Sprintf("%d of %s %s", b.Meter.Done.Load(),
			Count(int(b.Meter.Files.Load()), "file"), past)
	})
	if b.bars == nil {
		return b
	}
	b.set(0, 0)
	b.stop, b.done = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(b.done)
		var window rate.Window
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-b.stop:
				return
			case <-tick.C:
				all := b.Meter.Bytes.Load()
				moved := max(0, min(b.Meter.Moved.Load()+b.Meter.InFlight.Load(), all))
				b.pace(all-moved, speedOf(&window, time.Now(), moved))
				b.set(moved, all)
			}
		}
	}()
	return b
}

// End takes the bar away.
func (b *TransferBar) End() {
	if b.stop != nil {
		close(b.stop)
		<-b.done
	}
	b.oneBar.End()
}

// speedOf records that n bytes have moved so far, and returns how many do in a second; 0 while
// that is not known.
func speedOf(w *rate.Window, now time.Time, n int64) int64 {
	w.Set(now, n)
	if _, took := w.Last(now); took < time.Second { // too short to show
		return 0
	}
	return w.Rate(now)
}
