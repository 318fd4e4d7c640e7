package s3backend

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3share/s3share/s3backend/bandwidth"
)

// hurry makes a client lose its patience after d.
func hurry(c *Client, d time.Duration) *Client {
	w := c.s3.Options().HTTPClient.(*watched)
	w.quiet, w.slow = d, time.Hour
	return c
}

// TestStall has a server fall silent at each point of a request. The caller
// gets an error, no context error, after one attempt.
func TestStall(t *testing.T) {
	for _, tt := range []struct {
		name  string
		serve func(w http.ResponseWriter, r *http.Request)
		call  func(c *Client) error
	}{
		{
			"before the reply",
			func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
			func(c *Client) error { _, err := c.Head(t.Context(), "k"); return err },
		},
		{
			"in the reply's body",
			func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Range", "bytes 0-9/10")
				w.Header().Set("Content-Length", "10")
				w.WriteHeader(206)
				io.WriteString(w, "012")
				w.(http.Flusher).Flush()
				<-r.Context().Done()
			},
			func(c *Client) error {
				r, err := c.Get(t.Context(), Object{Key: "k"}, 0, 10)
				if err != nil {
					return err
				}
				defer r.Close()
				_, err = io.ReadAll(r)
				return err
			},
		},
		{
			"while it should take the body",
			func(w http.ResponseWriter, r *http.Request) {
				io.ReadFull(r.Body, make([]byte, 1000))
				<-t.Context().Done()
			},
			func(c *Client) error {
				data := make([]byte, 64<<20) // more than the kernel buffers
				_, err := c.UploadPart(t.Context(), Upload{Key: "k", ID: "u"}, 1,
					bytes.NewReader(data), int64(len(data)))
				return err
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			release := make(chan struct{})
			c := hurry(against(t, func(w http.ResponseWriter, r *http.Request) {
				gone := make(chan struct{})
				go func() { defer close(gone); tt.serve(w, r) }()
				select {
				case <-gone:
				case <-release:
				}
			}), 200*time.Millisecond)
			err := tt.call(c)
			close(release)
			if !isKind(err, Other) || !errors.Is(err, errStalled) {
				t.Errorf("got %v, want %v", err, errStalled)
			}
			var total int64
			for _, n := range c.Counts() {
				total += n
			}
			if total != 1 {
				t.Errorf("%d attempts, want 1", total)
			}
		})
	}
}

// stuck is a body that gives one byte at a time and then waits for its end.
type stuck struct {
	left int
	done <-chan struct{}
}

func (s *stuck) Read(p []byte) (int, error) {
	if s.left--; s.left >= 0 {
		return copy(p, "x"), nil
	}
	<-s.done
	return 0, context.Canceled
}

func (s *stuck) Close() error { return nil }

// TestReaderTakesItsTime: the watchdog of a reply runs while a Read waits, and
// at no other time.
func TestReaderTakesItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		dog := &watchdog{limit: quiet, cancel: cancel, moved: new(atomic.Int64)}
		dog.timer = time.AfterFunc(quiet, func() { cancel(errStalled) })
		b := &watchedBody{ReadCloser: &stuck{left: 2, done: ctx.Done()}, ctx: ctx,
			dog: dog, limiter: bandwidth.New(0)}
		p := make([]byte, 1)
		for i := range 2 {
			if _, err := b.Read(p); err != nil {
				t.Fatalf("read %d: %v", i, err)
			}
			time.Sleep(time.Hour)
		}
		start := time.Now()
		if _, err := b.Read(p); err != errStalled {
			t.Errorf("read of nothing: %v, want %v", err, errStalled)
		}
		if took := time.Since(start); took != quiet {
			t.Errorf("a silent body is given %v, want %v", took, quiet)
		}
		b.Close()
	})
}

// TestSlowLink: a request that goes out slowly lives as long as it moves.
func TestSlowLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		dog := &watchdog{limit: quiet, cancel: cancel, moved: new(atomic.Int64)}
		dog.timer = time.AfterFunc(quiet, func() { cancel(errStalled) })
		near, far := net.Pipe()
		c := &conn{Conn: near}
		c.dog.Store(dog)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			defer far.Close()
			for { // one step in 29 seconds
				if _, err := io.ReadFull(far, make([]byte, writeSize)); err != nil {
					return
				}
				time.Sleep(quiet - time.Second)
			}
		}()
		n, err := c.ReadFrom(bytes.NewReader(make([]byte, 10*writeSize)))
		if n != 10*writeSize || err != nil || ctx.Err() != nil {
			t.Errorf("sent %d bytes, %v; the request: %v", n, err, context.Cause(ctx))
		}
		dog.timer.Stop()
		near.Close()
		<-ended
	})
}

// TestTransport: what the transport is set up to be.
func TestTransport(t *testing.T) {
	tr := new(http.Transport)
	tune(tr)
	if tr.Protocols.HTTP2() || !tr.Protocols.HTTP1() || tr.MaxIdleConnsPerHost != 128 ||
		tr.ReadBufferSize > 64<<10 || tr.Proxy == nil {
		t.Errorf("transport %+v", tr)
	}
	c := against(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/bkt/k" {
			t.Errorf("followed a redirect to %s", r.URL)
		}
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
	if _, err := c.Head(t.Context(), "k"); !isKind(err, Other) {
		t.Errorf("Head answered by a redirect = %v", err)
	}
}
