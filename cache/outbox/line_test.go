package outbox

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/outbox/parts"
	"github.com/s3share/s3share/s3backend"
)

// wire is what a line is made of: connections that share a rate, each with a limit of
// its own and a buffer that takes bytes at once.
type wire struct {
	rate    atomic.Int64 // bytes a second, of all
	each    int64        // of one connection; 0: as rate
	buffer  int64
	busy    chan struct{} // holds a token for who sends
	going   atomic.Int64  // connections now
	most    atomic.Int64  // at once, since it was reset
	carried atomic.Int64
}

func newWire(rate, each, buffer int64) *wire {
	w := &wire{each: each, buffer: buffer, busy: make(chan struct{}, 1)}
	w.rate.Store(rate)
	return w
}

// send passes the body on, and returns when all of it has arrived.
func (w *wire) send(ctx context.Context, body io.Reader) error {
	w.most.Store(max(w.most.Load(), w.going.Add(1)))
	defer w.going.Add(-1)
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
			time.Sleep(time.Duration(int64(n) * int64(time.Second) / w.rate.Load()))
			<-w.busy
			if w.each > 0 {
				time.Sleep(time.Until(at.Add(time.Duration(int64(n) * int64(time.Second) / w.each))))
			}
			w.carried.Add(int64(n))
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

// zeros is a staged file of any size.
type zeros struct{}

func (zeros) ReadAt(p []byte, _ int64) (int, error) { return len(p), nil }

// part sends one part of a file over the line.
func (w *wire) part(ctx context.Context, l *line, it *Item, n int64) error {
	t, err := l.wait(ctx, it, n)
	if err != nil {
		return err
	}
	err = w.send(ctx, outgoing{io.NewSectionReader(zeros{}, 0, n), t})
	t.end(err)
	return err
}

// onLine calls test in its own time with a line over a wire, on which a file is sent
// whose parts all wait from the beginning.
func onLine(t *testing.T, w func() *wire, count int, test func(t *testing.T, l *line, w *wire)) {
	synctest.Test(t, func(t *testing.T) {
		l, w := newLine(defaultRequests), w()
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		it := new(Item)
		for range count {
			all.Go(func() { _ = w.part(ctx, l, it, parts.Size) })
		}
		test(t, l, w)
		cancel()
		all.Wait()
		if l.turns != 0 || l.laden != 0 || l.unsent != 0 || len(l.going) != 0 || len(l.waiting) != 0 {
			t.Errorf("when all is over, there is %d under way, %d bytes, %d waiting", l.turns, l.unsent, len(l.waiting))
		}
	})
}

// TestLine: as many parts are under way as the line is worth.
func TestLine(t *testing.T) {
	const mib = 1 << 20
	slow := func() *wire { return newWire(mib, 0, 2*mib) }
	far := func() *wire { return newWire(4096*mib, 80*mib, 2*mib) }
	t.Run("slow", func(t *testing.T) {
		onLine(t, slow, 64, func(t *testing.T, _ *line, w *wire) {
			time.Sleep(2 * time.Minute)
			if most := w.most.Load(); most > untried/parts.Size+1 { // the last one begins when four have all but gone
				t.Errorf("%d parts at once, of a line of which nothing was known", most)
			}
			w.most.Store(0)
			time.Sleep(5 * time.Minute)
			if most := w.most.Load(); most < fewestParts || most > fewestParts+2 {
				t.Errorf("%d parts at once", most)
			}
			if got := w.carried.Load(); got < 7*60*mib-mib {
				t.Errorf("in seven minutes it carried %d MiB", got/mib)
			}
		})
	})
	t.Run("far", func(t *testing.T) {
		onLine(t, far, 64, func(t *testing.T, _ *line, w *wire) {
			time.Sleep(130 * time.Millisecond)
			if now := w.going.Load(); now != defaultRequests {
				t.Errorf("after 130 ms %d parts are under way, want %d", now, defaultRequests)
			}
		})
	})
	t.Run("moderate", func(t *testing.T) {
		moderate := func() *wire { return newWire(10*mib, 0, 2*mib) }
		onLine(t, moderate, 64, func(t *testing.T, l *line, w *wire) {
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
		fast := func() *wire { return newWire(256*mib, 0, 2*mib) }
		onLine(t, fast, 500, func(t *testing.T, _ *line, w *wire) {
			time.Sleep(2 * lineSpan)
			w.rate.Store(mib)
			time.Sleep(defaultRequests * parts.Size / mib * time.Second)
			w.most.Store(0)
			time.Sleep(5 * time.Minute)
			if most := w.most.Load(); most > fewestParts+1 {
				t.Errorf("%d parts at once", most)
			}
		})
	})
	t.Run("turns fast", func(t *testing.T) {
		onLine(t, slow, 500, func(t *testing.T, _ *line, w *wire) {
			time.Sleep(5 * time.Minute)
			w.rate.Store(256 * mib)
			time.Sleep(3 * time.Second)
			if now := w.going.Load(); now != defaultRequests {
				t.Errorf("after three seconds %d parts are under way", now)
			}
		})
	})
	t.Run("another one", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l, w := newLine(defaultRequests), far()
			it := new(Item)
			for range 40 {
				if err := w.part(t.Context(), l, it, parts.Size); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(2 * lineSpan)
			w = slow()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			var all sync.WaitGroup
			for range 32 {
				all.Go(func() { _ = w.part(ctx, l, it, parts.Size) })
			}
			all.Wait()
			if most := w.most.Load(); most > untried/parts.Size+1 { // the last one begins when four have all but gone
				t.Errorf("%d parts at once on a line that was fast long ago", most)
			}
		})
	})
}

// TestLineIsShared: whoever comes to a slow line on which a large file goes has the
// next turn; and what S3 copies need not wait for bytes.
func TestLineIsShared(t *testing.T) {
	const mib = 1 << 20
	onLine(t, func() *wire { return newWire(mib, 0, mib) }, 64, func(t *testing.T, l *line, w *wire) {
		time.Sleep(3 * time.Minute)
		asked := time.Now()
		if err := w.part(t.Context(), l, new(Item), 2*mib); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(asked); took > 40*time.Second {
			t.Errorf("a file of two seconds took %v beside a large one", took)
		}
		asked = time.Now()
		c, err := l.wait(t.Context(), new(Item), 0)
		if err != nil || time.Since(asked) != 0 {
			t.Errorf("a copy waits for %v, %v", time.Since(asked), err)
		}
		c.end(nil)
	})
}

// TestLineSendsAgain has a request fail half-way, and go out again.
func TestLineSendsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(1)
		turn, err := l.wait(t.Context(), new(Item), parts.Size)
		if err != nil {
			t.Fatal(err)
		}
		body := outgoing{io.NewSectionReader(zeros{}, 0, parts.Size), turn}
		for range 2 {
			if _, err := io.CopyN(io.Discard, body, 10<<20); err != nil {
				t.Fatal(err)
			}
			if want := int64(parts.Size - 10<<20 + buffered); l.unsent != want {
				t.Errorf("%d bytes are to go, want %d", l.unsent, want)
			}
			for _, whence := range []int{io.SeekEnd, io.SeekStart} { // who asks for the length sends nothing
				if _, err := body.Seek(0, whence); err != nil {
					t.Fatal(err)
				}
			}
		}
		turn.end(errors.New("no connection"))
		if _, err := io.ReadAll(body); err != nil || l.unsent != 0 { // as a connection may that is being closed
			t.Errorf("%d bytes are to go in the end, %v", l.unsent, err)
		}
	})
}

// slowly is a bucket at the end of a wire.
type slowly struct {
	buckettest.S3
	*wire
}

func (s slowly) UploadPart(ctx context.Context, up s3backend.Upload, num int32, body io.ReadSeeker, size int64) (s3backend.Part, error) {
	if err := s.send(ctx, body); err != nil {
		return s3backend.Part{}, err
	}
	_, _ = body.Seek(0, io.SeekStart)
	return s.S3.UploadPart(ctx, up, num, body, size)
}

func (s slowly) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, h *s3backend.Header, cond s3backend.Condition) (s3backend.Object, error) {
	if err := s.send(ctx, body); err != nil {
		return s3backend.Object{}, err
	}
	_, _ = body.Seek(0, io.SeekStart)
	return s.S3.Put(ctx, key, body, size, h, cond)
}

// TestASlowLineIsNotCrowded: parts that go up while a file is written, and those of
// files that were closed, and whole files share it.
func TestASlowLineIsNotCrowded(t *testing.T) {
	var w *wire
	fault := func(b buckettest.S3) buckettest.S3 {
		w = newWire(1<<20, 0, 1<<20)
		return slowly{b, w}
	}
	bubble(t, Config{}, fault, func(r *rig) {
		data := random(1, 5*parts.Size)
		open := r.create("Delivery/open", data)
		for _, key := range []string{"Delivery/a", "Delivery/b"} {
			r.done(r.create(key, data[:2*parts.Size]))
		}
		for _, key := range []string{"Delivery/1", "Delivery/2", "Delivery/3", "Delivery/4", "Delivery/5", "Delivery/6"} {
			r.done(r.create(key, data[:parts.Size/2]))
		}
		pass(time.Minute)
		r.done(r.create("Delivery/small", []byte("small")))
		pass(10 * time.Second)
		if r.b.Object("Delivery/small").ETag == "" {
			t.Error("a small file waits for the line")
		}
		pass(time.Minute)
		r.done(open)
		r.drain()
		r.wantHolds("Delivery/open", data)
		r.wantHolds("Delivery/6", data[:parts.Size/2])
		if most := w.most.Load(); most > 2*untried/parts.Size {
			t.Errorf("%d requests at once", most)
		}
		r.wantNothing()
	})
}
