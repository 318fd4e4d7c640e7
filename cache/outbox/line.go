package outbox

import (
	"context"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/s3share/s3share/cache/outbox/parts"
)

const (
	// lineSpan is how long the line takes, at its pace of late, for all that is on its
	// way at once. What is half sent when the connection, the machine or this process
	// ends was sent for nothing, and the more is under way, the longer is each of it.
	lineSpan = 10 * time.Second

	// fewestParts are under way however slow the line is: one goes out while S3
	// answers for the other.
	fewestParts = 2

	// untried is how many bytes are on their way while nothing is known of the line.
	untried = 4 * parts.Size

	// slight is the size up to which a request does not wait for the line. As many as
	// there are workers are less than a few parts.
	slight = 1 << 20

	// buffered is how much of a request goes into buffers on the way before the line
	// takes any: only what was sent behind it tells how fast the line is. The kernel's
	// has 4 MiB at most, and a proxy has one of its own.
	// Source: Linux, Documentation/networking/ip-sysctl.rst, tcp_wmem.
	buffered = parts.Size / 2

	// glance is the least time for which a pace is told. A little more that goes into a
	// buffer at once makes no pace.
	glance = 100 * time.Millisecond
)

// line is the way to S3, which the requests of all files share. As many of them go out
// at once as its pace makes worthwhile. Among those that wait, the file's is next of
// which the least is under way.
type line struct {
	most int // requests at once

	// mu guards the fields below, and those of its turns.
	mu      sync.Mutex
	waiting []*turn // in the order in which they came
	next    *turn   // of them; nil: to be chosen
	going   map[*Item]int
	turns   int // under way
	laden   int // those of them that carry bytes
	unsent  int64
	pace    pace
	each    float64 // nanoseconds that one request takes for a byte, lately; 0: not known
}

func newLine(most int) *line { return &line{most: most, going: map[*Item]int{}} }

// turn is one request on its way.
type turn struct {
	line  *line
	it    *Item
	n     int64 // bytes that it carries
	taken int64 // those of them that the line has taken for certain
	began time.Time
	over  bool // a connection may read on for a moment
	ready chan struct{}
}

// wait returns when a request of n bytes may go out: none, where S3 has them. The
// caller calls end.
func (l *line) wait(ctx context.Context, it *Item, n int64) (*turn, error) {
	t := &turn{line: l, it: it, n: n, ready: make(chan struct{})}
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
	if !l.dropLocked(t) {
		l.leaveLocked(t)
	}
	l.admitLocked()
	return nil, context.Cause(ctx)
}

// end is called when S3 has answered, or will not.
func (t *turn) end(err error) {
	if t == nil {
		return // it was too slight to wait
	}
	l := t.line
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		l.takeLocked(t, t.n)
		if t.n >= parts.Size {
			each := float64(time.Since(t.began)) / float64(t.n)
			if l.each == 0 {
				l.each = each
			}
			l.each += (each - l.each) / 4
		}
	}
	l.leaveLocked(t)
	l.admitLocked()
}

// reached notes that the body has been read up to pos; less than before where it is
// sent again.
func (t *turn) reached(pos int64) {
	t.line.mu.Lock()
	defer t.line.mu.Unlock()
	t.line.takeLocked(t, max(0, min(pos, t.n)-buffered))
	t.line.admitLocked()
}

func (l *line) takeLocked(t *turn, taken int64) {
	if t.over {
		return
	}
	l.pace.tick(l.unsent > 0)
	l.pace.add(taken - t.taken)
	l.unsent -= taken - t.taken
	t.taken = taken
}

func (l *line) leaveLocked(t *turn) {
	l.pace.tick(l.unsent > 0)
	l.unsent -= t.n - t.taken
	t.over = true
	l.turns--
	if t.n > 0 {
		l.laden--
	}
	if l.going[t.it]--; l.going[t.it] == 0 {
		delete(l.going, t.it)
	}
	l.next = nil
}

// admitLocked lets go who may.
func (l *line) admitLocked() {
	for l.turns < l.most && len(l.waiting) > 0 {
		if l.next == nil {
			l.next = slices.MinFunc(l.waiting, func(a, b *turn) int { return l.rankLocked(a) - l.rankLocked(b) })
		}
		t := l.next
		l.pace.tick(l.unsent > 0)
		if l.laden >= fewestParts && l.unsent+t.n > max(fewestParts*parts.Size, l.pace.in(lineSpan)) {
			return
		}
		l.dropLocked(t)
		t.began = time.Now()
		l.going[t.it]++
		l.turns++
		if t.n > 0 {
			l.laden++
		}
		l.unsent += t.n
		close(t.ready)
	}
}

// within tells whether a request of n bytes takes no longer than d, as those of late.
func (l *line) within(n int64, d time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.each > 0 && float64(n)*l.each <= float64(d)
}

// dropLocked takes a turn out of those who wait, and tells whether it was one.
func (l *line) dropLocked(t *turn) bool {
	i := slices.Index(l.waiting, t)
	if i >= 0 {
		l.waiting, l.next = slices.Delete(l.waiting, i, i+1), nil
	}
	return i >= 0
}

// rankLocked orders those who wait. What S3 copies by itself takes nothing of the line.
func (l *line) rankLocked(t *turn) int {
	if t.n == 0 {
		return -1
	}
	return l.going[t.it]
}

// outgoing is a body that tells of what is read of it. It is summed by ReadAt;
// see s3backend.Summed.
type outgoing struct {
	*io.SectionReader
	turn *turn
}

// Read implements io.Reader.
func (o outgoing) Read(p []byte) (int, error) {
	n, err := o.SectionReader.Read(p)
	if o.turn != nil {
		pos, _ := o.Seek(0, io.SeekCurrent)
		o.turn.reached(pos)
	}
	return n, err
}

// pace tells how much the line took lately. Its clock stands still while nothing is on
// its way. The zero pace knows nothing.
type pace struct {
	at    time.Time // when the clock was set last
	clock time.Duration
	taken int64
	marks []paceMark // the last one before lineSpan, and those in it
}

type paceMark struct {
	clock time.Duration
	taken int64
}

// tick sets the clock; busy tells whether bytes were on their way since it was set last.
func (p *pace) tick(busy bool) {
	now := time.Now()
	switch since := now.Sub(p.at); {
	case busy:
		p.clock += since
	case since > lineSpan:
		*p = pace{marks: p.marks[:0]} // by now it may be another line
	}
	p.at = now
}

// add notes that the line has taken n bytes more. What has to go out a second time,
// it had taken all the same.
func (p *pace) add(n int64) {
	p.taken += max(0, n)
	if len(p.marks) == 0 {
		p.marks = append(p.marks, paceMark{})
	}
	if p.clock-p.marks[len(p.marks)-1].clock >= lineSpan/16 {
		p.marks = append(p.marks, paceMark{p.clock, p.taken})
	}
	for len(p.marks) > 1 && p.clock-p.marks[1].clock >= lineSpan {
		p.marks = p.marks[1:]
	}
}

// in is how many bytes the line takes in d.
func (p *pace) in(d time.Duration) int64 {
	if p.taken == 0 {
		return untried
	}
	first := p.marks[0]
	return int64(float64(p.taken-first.taken) * float64(d) / float64(max(p.clock-first.clock, glance)))
}
