// Package uplink limits the upload requests of all files together.
//
// A [Limiter] bounds the bytes that are in flight by what the connection carries in a few
// seconds: on a slow line only two parts are in flight, on a fast one as many as the largest
// number of requests allows. What is half sent when the connection, the machine or the process
// ends was sent for nothing, so a slow line is not filled further than it pays.
//
// The life of a request: [Limiter.Acquire] returns a [Ticket] when the request may start;
// [Body] reports to it what was read of the body; [Ticket.Done] ends it.
package uplink

import (
	"context"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/s3share/s3share/cache/outbox/parts"
	"github.com/s3share/s3share/cache/rate"
)

const (
	// window is the time that the connection takes, at its throughput of late, for all
	// that is in flight at once.
	window = 10 * time.Second

	// minInFlight requests with a body are in flight however slow the connection is: one is
	// sent while S3 answers the other.
	minInFlight = 2

	// initialBudget is how many bytes are in flight while the throughput is unknown.
	initialBudget = 4 * parts.Size

	// UnmeteredSize is the size in bytes up to which a request need not ask the Limiter. As
	// many of these as there are workers are less than a few parts.
	UnmeteredSize = 1 << 20

	// buffered is how many bytes of a request go into buffers before any are on the
	// connection: only what was sent behind them shows the throughput. The kernel's buffer
	// has 4 MiB at most, and a proxy has one of its own.
	// Source: Linux, Documentation/networking/ip-sysctl.rst, tcp_wmem.
	buffered = parts.Size / 2

	// minInterval is the shortest time over which throughput is measured. A little more that
	// goes into a buffer at once shows nothing.
	minInterval = 100 * time.Millisecond
)

// Limiter starts upload requests while its budget of bytes allows. Of those that wait, the
// one whose file has the fewest requests in flight is next. Its methods may be called by any
// goroutine.
type Limiter struct {
	max int // requests at once

	// mu guards the fields below, and those of its tickets.
	mu         sync.Mutex
	waiting    []*Ticket // in the order in which they came
	next       *Ticket   // of them; nil: not chosen yet
	inFlight   map[any]int
	requests   int // in flight
	withBody   int // those of them that send bytes
	unsent     int64
	throughput throughput
	ended      rate.Requests // of those with a body of a part at least
}

// New returns a Limiter of at most max requests at once.
func New(max int) *Limiter { return &Limiter{max: max, inFlight: map[any]int{}} }

// Max returns the largest number of requests at once.
func (l *Limiter) Max() int { return l.max }

// Ticket is one request.
type Ticket struct {
	limiter *Limiter
	owner   any
	n       int64 // bytes that it sends
	sent    int64 // those of them that are certainly on the connection
	read    int64 // those of them that were read from the body
	onRead  func(n int64)
	began   time.Time
	over    bool // a connection may read on for a moment
	ready   chan struct{}
}

// Acquire returns when a request of owner may start that sends n bytes: 0 where S3 copies
// them. The caller calls Done. The error is the context's.
func (l *Limiter) Acquire(ctx context.Context, owner any, n int64) (*Ticket, error) {
	t := &Ticket{limiter: l, owner: owner, n: n, ready: make(chan struct{})}
	l.mu.Lock()
	l.waiting, l.next = append(l.waiting, t), nil
	l.admitLocked()
	l.mu.Unlock()
	select {
	case <-t.ready:
		return t, nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.withdrawLocked(t) {
		l.endLocked(t)
	}
	l.admitLocked()
	return nil, context.Cause(ctx)
}

// OnRead sets f, which is called with the number of bytes that were read from the body since
// the last call. It is negative when the request is sent again, and when it ends, so that the
// sum is what is in flight. f is called before the request ends, by one goroutine at a time.
// OnRead of a nil Ticket does nothing.
func (t *Ticket) OnRead(f func(n int64)) {
	if t != nil {
		t.onRead = f
	}
}

// readTo records that the body was read up to pos. The caller holds the limiter's mu.
func (t *Ticket) readTo(pos int64) {
	if n := pos - t.read; n != 0 && t.onRead != nil && !t.over {
		t.read = pos
		t.onRead(n)
	}
}

// Done ends the request: S3 has answered, or will not. Done of a nil Ticket does nothing.
func (t *Ticket) Done(err error) {
	if t == nil {
		return
	}
	t.limiter.done(t, err)
}

func (l *Limiter) done(t *Ticket, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t.readTo(0)
	if err == nil {
		l.progressLocked(t, t.n)
		if t.n >= parts.Size {
			l.ended.Add(t.n, time.Since(t.began), 4)
		}
	}
	l.endLocked(t)
	l.admitLocked()
}

// progress records that the body has been read up to pos: less than before if it is sent again.
func (t *Ticket) progress(pos int64) {
	t.limiter.progress(t, min(pos, t.n))
}

func (l *Limiter) progress(t *Ticket, read int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t.readTo(read)
	l.progressLocked(t, max(0, read-buffered))
	l.admitLocked()
}

func (l *Limiter) progressLocked(t *Ticket, sent int64) {
	if t.over {
		return
	}
	l.throughput.tick(l.unsent > 0)
	l.throughput.add(sent - t.sent)
	l.unsent -= sent - t.sent
	t.sent = sent
}

func (l *Limiter) endLocked(t *Ticket) {
	l.throughput.tick(l.unsent > 0)
	l.unsent -= t.n - t.sent
	t.over = true
	l.requests--
	if t.n > 0 {
		l.withBody--
	}
	if l.inFlight[t.owner]--; l.inFlight[t.owner] == 0 {
		delete(l.inFlight, t.owner)
	}
	l.next = nil
}

// admitLocked starts waiting requests while the budget allows.
func (l *Limiter) admitLocked() {
	for l.requests < l.max && len(l.waiting) > 0 {
		if l.next == nil {
			l.next = slices.MinFunc(l.waiting, func(a, b *Ticket) int {
				return l.priorityLocked(a) - l.priorityLocked(b)
			})
		}
		t := l.next
		l.throughput.tick(l.unsent > 0)
		if l.withBody >= minInFlight && l.unsent+t.n > max(minInFlight*parts.Size,
			l.throughput.during(window)) {
			return
		}
		l.withdrawLocked(t)
		t.began = time.Now()
		l.inFlight[t.owner]++
		l.requests++
		if t.n > 0 {
			l.withBody++
		}
		l.unsent += t.n
		close(t.ready)
	}
}

// FitsWithin reports whether a request of n bytes takes no longer than d, as the requests of
// late. It is false while none has ended.
func (l *Limiter) FitsWithin(n int64, d time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ended.Known() && l.ended.Time(n) <= d
}

// withdrawLocked removes a ticket from those that wait, and reports whether it was one.
func (l *Limiter) withdrawLocked(t *Ticket) bool {
	i := slices.Index(l.waiting, t)
	if i >= 0 {
		l.waiting, l.next = slices.Delete(l.waiting, i, i+1), nil
	}
	return i >= 0
}

// priorityLocked orders the tickets that wait, the least first. What S3 copies by itself takes
// nothing of the connection.
func (l *Limiter) priorityLocked(t *Ticket) int {
	if t.n == 0 {
		return -1
	}
	return l.inFlight[t.owner]
}

// Body is the body of a request. Its ticket, if it has one, learns what was read.
type Body struct {
	*io.SectionReader
	Ticket *Ticket
}

// Read implements io.Reader.
func (b Body) Read(p []byte) (int, error) {
	n, err := b.SectionReader.Read(p)
	if b.Ticket != nil {
		pos, _ := b.Seek(0, io.SeekCurrent)
		b.Ticket.progress(pos)
	}
	return n, err
}
