package uplink

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/outbox/parts"
)

// requests is the number at once.
const requests = 32

// zeros is a staged file of any size.
type zeros struct{}

func (zeros) ReadAt(p []byte, _ int64) (int, error) { return len(p), nil }

// send sends one part of a file over the wire.
func send(ctx context.Context, w *buckettest.Wire, l *Limiter, owner any, n int64) error {
	t, err := l.Acquire(ctx, owner, n)
	if err != nil {
		return err
	}
	err = w.Send(ctx, Body{io.NewSectionReader(zeros{}, 0, n), t})
	t.Done(err)
	return err
}

// overWire calls test in its own time with a limiter of a wire, over which a file is sent
// whose parts all wait from the beginning.
func overWire(t *testing.T, w func() *buckettest.Wire, count int,
	test func(t *testing.T, l *Limiter, w *buckettest.Wire)) {
	synctest.Test(t, func(t *testing.T) {
		l, w := New(requests), w()
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		owner := "a file"
		for range count {
			all.Go(func() { _ = send(ctx, w, l, owner, parts.Size) })
		}
		test(t, l, w)
		cancel()
		all.Wait()
		if l.requests != 0 || l.withBody != 0 || l.unsent != 0 ||
			len(l.inFlight) != 0 || len(l.waiting) != 0 {
			t.Errorf("when all is over, there is %d under way, %d bytes, %d waiting",
				l.requests, l.unsent, len(l.waiting))
		}
	})
}

// TestPartsInFlightFollowTheThroughput: as many parts are in flight as the connection is worth.
func TestPartsInFlightFollowTheThroughput(t *testing.T) {
	const mib = 1 << 20
	slow := func() *buckettest.Wire { return buckettest.NewWire(mib, 0, 2*mib) }
	far := func() *buckettest.Wire { return buckettest.NewWire(4096*mib, 80*mib, 2*mib) }
	t.Run("slow", func(t *testing.T) {
		overWire(t, slow, 64, func(t *testing.T, _ *Limiter, w *buckettest.Wire) {
			time.Sleep(2 * time.Minute)
			// the last one begins when four have all but gone
			if most := w.Peak.Load(); most > initialBudget/parts.Size+1 {
				t.Errorf("%d parts at once, of a line of which nothing was known", most)
			}
			w.Peak.Store(0)
			time.Sleep(5 * time.Minute)
			if most := w.Peak.Load(); most < minInFlight || most > minInFlight+2 {
				t.Errorf("%d parts at once", most)
			}
			if got := w.Carried.Load(); got < 7*60*mib-mib {
				t.Errorf("in seven minutes it carried %d MiB", got/mib)
			}
		})
	})
	t.Run("far", func(t *testing.T) {
		overWire(t, far, 64, func(t *testing.T, _ *Limiter, w *buckettest.Wire) {
			time.Sleep(130 * time.Millisecond)
			if now := w.InFlight.Load(); now != requests {
				t.Errorf("after 130 ms %d parts are under way, want %d", now, requests)
			}
		})
	})
	t.Run("moderate", func(t *testing.T) {
		moderate := func() *buckettest.Wire { return buckettest.NewWire(10*mib, 0, 2*mib) }
		overWire(t, moderate, 64, func(t *testing.T, l *Limiter, w *buckettest.Wire) {
			time.Sleep(20 * time.Second)
			for range 30 {
				time.Sleep(time.Second)
				l.mu.Lock()
				if l.unsent > 125*mib || l.unsent < 60*mib {
					t.Errorf("%d MiB are under way, of a line that takes 10 MiB/s", l.unsent/mib)
				}
				l.mu.Unlock()
			}
		})
	})
	t.Run("turns slow", func(t *testing.T) {
		fast := func() *buckettest.Wire { return buckettest.NewWire(256*mib, 0, 2*mib) }
		overWire(t, fast, 500, func(t *testing.T, _ *Limiter, w *buckettest.Wire) {
			time.Sleep(2 * window)
			w.Rate.Store(mib)
			time.Sleep(requests * parts.Size / mib * time.Second)
			w.Peak.Store(0)
			time.Sleep(5 * time.Minute)
			if most := w.Peak.Load(); most > minInFlight+1 {
				t.Errorf("%d parts at once", most)
			}
		})
	})
	t.Run("turns fast", func(t *testing.T) {
		overWire(t, slow, 500, func(t *testing.T, _ *Limiter, w *buckettest.Wire) {
			time.Sleep(5 * time.Minute)
			w.Rate.Store(256 * mib)
			time.Sleep(3 * time.Second)
			if now := w.InFlight.Load(); now != requests {
				t.Errorf("after three seconds %d parts are under way", now)
			}
		})
	})
	t.Run("another one", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l, w := New(requests), far()
			owner := "a file"
			for range 40 {
				if err := send(t.Context(), w, l, owner, parts.Size); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(2 * window)
			w = slow()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			var all sync.WaitGroup
			for range 32 {
				all.Go(func() { _ = send(ctx, w, l, owner, parts.Size) })
			}
			all.Wait()
			// the last one begins when four have all but gone
			if most := w.Peak.Load(); most > initialBudget/parts.Size+1 {
				t.Errorf("%d parts at once on a line that was fast long ago", most)
			}
		})
	})
}

// TestASmallFileOvertakesALargeOne on a slow connection; and what S3 copies need not wait
// for bytes.
func TestASmallFileOvertakesALargeOne(t *testing.T) {
	const mib = 1 << 20
	overWire(t, func() *buckettest.Wire { return buckettest.NewWire(mib, 0, mib) },
		64, func(t *testing.T, l *Limiter, w *buckettest.Wire) {
			time.Sleep(3 * time.Minute)
			asked := time.Now()
			if err := send(t.Context(), w, l, "another", 2*mib); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(asked); took > 40*time.Second {
				t.Errorf("a file of two seconds took %v beside a large one", took)
			}
			asked = time.Now()
			c, err := l.Acquire(t.Context(), "another", 0)
			if err != nil || time.Since(asked) != 0 {
				t.Errorf("a copy waits for %v, %v", time.Since(asked), err)
			}
			c.Done(nil)
		})
}

// TestBytesSentAgainCountAgain has a request fail half-way, and sends it again.
func TestBytesSentAgainCountAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(1)
		turn, err := l.Acquire(t.Context(), "another", parts.Size)
		if err != nil {
			t.Fatal(err)
		}
		body := Body{io.NewSectionReader(zeros{}, 0, parts.Size), turn}
		for range 2 {
			if _, err := io.CopyN(io.Discard, body, 10<<20); err != nil {
				t.Fatal(err)
			}
			if want := int64(parts.Size - 10<<20 + buffered); l.unsent != want {
				t.Errorf("%d bytes are to go, want %d", l.unsent, want)
			}
			// who asks for the length sends nothing
			for _, whence := range []int{io.SeekEnd, io.SeekStart} {
				if _, err := body.Seek(0, whence); err != nil {
					t.Fatal(err)
				}
			}
		}
		turn.Done(errors.New("no connection"))
		// as a connection may that is being closed
		if _, err := io.ReadAll(body); err != nil || l.unsent != 0 {
			t.Errorf("%d bytes are to go in the end, %v", l.unsent, err)
		}
	})
}

// TestReadBytesAreInFlightUntilTheEnd reads a body, again from its beginning, and on after the
// request has ended: what OnRead is told adds up to what is in flight.
func TestReadBytesAreInFlightUntilTheEnd(t *testing.T) {
	for _, outcome := range []error{nil, errors.New("no answer")} {
		ticket, err := New(requests).Acquire(t.Context(), "a file", 100)
		if err != nil {
			t.Fatal(err)
		}
		inFlight := int64(0)
		ticket.OnRead(func(n int64) { inFlight += n })
		b := Body{io.NewSectionReader(zeros{}, 0, 100), ticket}
		for _, tt := range []struct {
			what string
			do   func()
			want int64
		}{
			{"nothing is read", func() {}, 0},
			{"a part is read", func() { _, _ = io.ReadFull(b, make([]byte, 30)) }, 30},
			{"more is read", func() { _, _ = io.ReadFull(b, make([]byte, 30)) }, 60},
			{"it is summed", func() { _, _ = b.ReadAt(make([]byte, 100), 0) }, 60},
			{"it is sent again", func() { _, _ = b.Seek(0, io.SeekStart); _, _ = io.ReadFull(b, make([]byte, 10)) }, 10},
			{"all is read", func() { _, _ = io.ReadAll(b) }, 100},
			{"it has ended", func() { ticket.Done(outcome) }, 0},
			{"a connection reads on", func() { _, _ = b.Seek(0, io.SeekStart); _, _ = io.ReadFull(b, make([]byte, 10)) }, 0},
		} {
			if tt.do(); inFlight != tt.want {
				t.Errorf("%s, and %d bytes are in flight, want %d", tt.what, inFlight, tt.want)
			}
		}
	}
	(*Ticket)(nil).OnRead(nil)
}
