package ui

import (
	"fmt"
	"io"
	"time"

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
		return fmt.Sprintf("%d of %s %s", b.Meter.Done.Load(), Count(int(b.Meter.Files.Load()), "file"), past)
	})
	if b.bars == nil {
		return b
	}
	b.set(0, 0)
	b.stop, b.done = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(b.done)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-b.stop:
				return
			case <-tick.C:
				all := b.Meter.Bytes.Load()
				b.set(min(b.Meter.Moved.Load(), all), all)
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
