package outbox

import (
	"sync"
	"time"
)

// meterSpan is the time over which the throughput is measured.
const meterSpan = 10 * time.Second

// markStep is the minimum time between marks: bytes are counted as they are read.
const markStep = 100 * time.Millisecond

// throughput measures how fast a file goes to S3. The zero value is ready for use.
type throughput struct {
	mu    sync.Mutex
	total int64
	marks []mark // the last one before meterSpan, and those in it
}

type mark struct {
	at    time.Time
	total int64 // bytes that S3 had then
}

// begin records that bytes are sent from now on.
func (m *throughput) begin() { m.add(0) }

// add records that S3 has n bytes more.
func (m *throughput) add(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	m.total += n
	if n == 0 && len(m.marks) > 0 && now.Sub(m.marks[len(m.marks)-1].at) < meterSpan {
		return // it goes on
	}
	if last := len(m.marks) - 1; last > 0 && now.Sub(m.marks[last-1].at) < markStep {
		m.marks[last] = mark{now, m.total}
		return
	}
	m.marks = append(m.marks, mark{now, m.total})
	for len(m.marks) > 2 && now.Sub(m.marks[1].at) > meterSpan {
		m.marks = m.marks[1:]
	}
}

// rate returns bytes per second; 0 while nothing moves.
func (m *throughput) rate() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.marks) == 0 {
		return 0
	}
	first, last := m.marks[0], m.marks[len(m.marks)-1]
	took := time.Since(first.at)
	if took <= 0 || time.Since(last.at) > 3*meterSpan {
		return 0
	}
	return int64(float64(last.total-first.total) / took.Seconds())
}
