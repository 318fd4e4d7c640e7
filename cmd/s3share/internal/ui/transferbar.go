package ui

import (
	"fmt"
	"io"
	"math"
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
		var speed speedometer
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-b.stop:
				return
			case <-tick.C:
				all := b.Meter.Bytes.Load()
				moved := min(b.Meter.Moved.Load(), all)
				b.pace(all-moved, speed.of(time.Now(), moved))
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

// speedSpan is the time over which a speedometer measures.
const speedSpan = 10 * time.Second

// speedometer measures how fast a count grows. The zero one is ready.
type speedometer struct{ looks []look }

type look struct {
	at time.Time
	n  int64
}

// of takes in the count at a time, and returns its growth in a second, of late.
func (s *speedometer) of(at time.Time, n int64) int64 {
	s.looks = append(s.looks, look{at, n})
	for len(s.looks) > 2 && at.Sub(s.looks[1].at) > speedSpan {
		s.looks = s.looks[1:]
	}
	took := at.Sub(s.looks[0].at)
	if took < time.Second { // of a moment nothing can be told
		return 0
	}
	return int64(math.Round(float64(n-s.looks[0].n) / took.Seconds()))
}
