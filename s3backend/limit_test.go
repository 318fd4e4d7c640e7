package s3backend

import (
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// pipes are the connections of a server that is in the test's own time.
type pipes struct {
	dialed chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.dialed:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{} }

// limitedServer takes and sends objects of zeros, as fast as it can, and counts their bytes.
type limitedServer struct {
	taken atomic.Int64
	gap   atomic.Int64 // the longest time between two pieces of a large body
}

const objectSize = 16 << 20

func (s *limitedServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Query().Has("list-type"):
		fmt.Fprint(w, `<ListBucketResult><Name>bkt</Name></ListBucketResult>`)
	case r.Method == http.MethodPut:
		w.Header().Set("ETag", `"e"`)
		buf := make([]byte, 64<<10)
		for {
			began := time.Now()
			n, err := r.Body.Read(buf)
			s.taken.Add(int64(n))
			if gap := int64(time.Since(began)); r.ContentLength == objectSize &&
				gap > s.gap.Load() {
				s.gap.Store(gap)
			}
			if err != nil {
				return
			}
		}
	case r.Method == http.MethodGet:
		var from, to int64
		fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to)
		w.Header().Set("ETag", `"e"`)
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, objectSize))
		w.Header().Set("Content-Length", fmt.Sprint(to-from+1))
		w.WriteHeader(http.StatusPartialContent)
		io.Copy(w, io.NewSectionReader(zeros{}, from, to-from+1))
	}
}

// zeros has zeros at all offsets.
type zeros struct{}

func (zeros) ReadAt(p []byte, _ int64) (int, error) { clear(p); return len(p), nil }

// limitedMount is a client, its server, and the programs that use it.
type limitedMount struct {
	*Client
	*limitedServer
	t       *testing.T
	ctx     context.Context
	all     sync.WaitGroup
	fetched atomic.Int64
}

// withLimits calls test in its own time.
func withLimits(t *testing.T, l Limits, test func(m *limitedMount)) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{make(chan net.Conn), make(chan struct{})}
		m := &limitedMount{Client: clientOf(t, "http://127.0.0.1:1"),
			limitedServer: new(limitedServer), t: t}
		m.http.client.Transport.(*http.Transport).DialContext = func(ctx context.Context,
			_, _ string) (net.Conn, error) {
			near, far := net.Pipe()
			select {
			case p.dialed <- far:
				return &conn{Conn: near}, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		server := &http.Server{Handler: m.limitedServer}
		go server.Serve(p)
		var cancel func()
		m.ctx, cancel = context.WithCancel(t.Context())
		m.SetLimits(l)
		test(m)
		cancel()
		m.all.Wait()
		m.CloseIdle()
		server.Close()
		time.Sleep(time.Second) // in which the server lets its connections go
	})
}

// upload sends parts one after the other, in so many requests at a time.
func (m *limitedMount) upload(requests int) {
	for range requests {
		m.all.Go(func() {
			for m.ctx.Err() == nil {
				_, err := m.UploadPart(m.ctx, Upload{Key: "k", ID: "u"},
					1, io.NewSectionReader(zeros{}, 0, objectSize), objectSize)
				if err != nil && m.ctx.Err() == nil {
					m.t.Errorf("UploadPart: %v", err)
				}
			}
		})
	}
}

// download fetches objects one after the other, in so many requests at a time.
func (m *limitedMount) download(requests int) {
	for range requests {
		m.all.Go(func() {
			buf := make([]byte, 128<<10)
			for m.ctx.Err() == nil {
				r, err := m.Get(m.ctx, Object{Key: "k", ETag: "e", Size: objectSize}, 0, objectSize)
				for err == nil {
					var n int
					n, err = r.Read(buf)
					m.fetched.Add(int64(n))
				}
				if r != nil {
					r.Close()
				}
				if err != io.EOF && m.ctx.Err() == nil {
					m.t.Errorf("Get: %v", err)
				}
			}
		})
	}
}

// moved returns how many MiB a second are sent and fetched for so long.
func (m *limitedMount) moved(d time.Duration) (up, down float64) {
	taken, fetched := m.taken.Load(), m.fetched.Load()
	time.Sleep(d)
	mib := func(n int64) float64 { return float64(n) / d.Seconds() / (1 << 20) }
	return mib(m.taken.Load() - taken), mib(m.fetched.Load() - fetched)
}

// TestLimits: each direction has its own rate, which all requests hold together, and another one
// takes effect at once.
func TestLimits(t *testing.T) {
	const mib = 1 << 20
	withLimits(t, Limits{Upload: 10 * mib, Download: 4 * mib}, func(m *limitedMount) {
		m.upload(8)
		m.download(5)
		check := func(d time.Duration, wantUp, wantDown, within float64) {
			t.Helper()
			up, down := m.moved(d)
			if math.Abs(up-wantUp) > within*wantUp || math.Abs(down-wantDown) > within*wantDown {
				t.Errorf("%.2f MiB/s up and %.2f MiB/s down, want %v and %v",
					up, down, wantUp, wantDown)
			}
		}
		check(time.Minute, 10, 4, 0.05)
		m.SetLimits(Limits{Upload: mib, Download: 8 * mib})
		check(time.Second, 1, 8, 0.25) // with the bytes that come at once
		check(10*time.Second, 1, 8, 0.05)
		m.SetLimits(Limits{Upload: 10 << 10, Download: 10 << 10})
		time.Sleep(time.Minute)
		// At this time, all wait for the lower rate.
		m.SetLimits(Limits{Upload: 20 * mib, Download: 20 * mib})
		check(time.Second, 20, 20, 0.25)
	})
}

// TestNoRequestTimesOutByTheLimit has more wait than a low limit lets through in the time that S3
// has for an answer, and then a program that asks for little.
func TestNoRequestTimesOutByTheLimit(t *testing.T) {
	withLimits(t, Limits{Upload: 32 << 10, Download: 32 << 10}, func(m *limitedMount) {
		m.upload(32)
		m.download(32)
		time.Sleep(15 * time.Minute)
		took := func(do func() error) time.Duration {
			began := time.Now()
			if err := do(); err != nil {
				t.Error(err)
			}
			return time.Since(began)
		}
		if d := took(func() error { _, err := m.List(m.ctx, ListInput{}); return err }); d != 0 {
			t.Errorf("a listing takes %v", d)
		}
		for range 3 {
			if d := took(func() error {
				_, err := m.Put(m.ctx, "small", io.NewSectionReader(zeros{}, 0, 4<<10),
					4<<10, nil, Condition{})
				return err
			}); d > time.Second {
				t.Errorf("a small file takes %v to be sent", d)
			}
			if d := took(func() error {
				r, err := m.Get(m.ctx, Object{Key: "k", ETag: "e", Size: objectSize}, 0, 4<<10)
				if err == nil {
					_, err = io.Copy(io.Discard, r)
				}
				return err
			}); d > time.Second {
				t.Errorf("a small range takes %v", d)
			}
		}
	})
}

// TestLargeBodiesMoveBesideSmallOnes: at the lowest rate, with as many small files as there can be,
// the server hears of each large body all the time, or it would take its connection for dead.
func TestLargeBodiesMoveBesideSmallOnes(t *testing.T) {
	withLimits(t, Limits{Upload: 1}, func(m *limitedMount) {
		m.upload(4)
		for range 32 {
			m.all.Go(func() {
				for m.ctx.Err() == nil {
					_, err := m.Put(m.ctx, "small", io.NewSectionReader(zeros{}, 0, 100<<10),
						100<<10, nil, Condition{})
					if err != nil && m.ctx.Err() == nil {
						t.Error(err)
					}
					m.http.upload.Charge(8 << 20) // as a listing does
				}
			})
		}
		time.Sleep(15 * time.Minute)
		if gap := time.Duration(m.gap.Load()); gap > 15*time.Second {
			t.Errorf("for %v the server saw nothing of a large body", gap)
		}
	})
}

// TestLiftingTheLimit has the requests that wait go on without one.
func TestLiftingTheLimit(t *testing.T) {
	withLimits(t, Limits{Upload: 10 << 10, Download: 10 << 10}, func(m *limitedMount) {
		m.all.Go(func() {
			if _, err := m.UploadPart(m.ctx, Upload{Key: "k", ID: "u"},
				1, io.NewSectionReader(zeros{}, 0, objectSize), objectSize); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(time.Minute)
		if n := m.taken.Load(); n > 61*10<<10+128<<10 {
			t.Errorf("%d bytes are sent in a minute", n)
		}
		m.SetLimits(Limits{})
		began := time.Now()
		m.all.Wait()
		if d := time.Since(began); d != 0 {
			t.Errorf("without a limit the rest takes %v", d)
		}
		if l := m.Limits(); l != (Limits{}) {
			t.Errorf("limits %v", l)
		}
	})
}
