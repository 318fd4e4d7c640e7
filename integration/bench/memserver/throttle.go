package memserver

import (
	"context"
	"io"
	"net"

	"golang.org/x/time/rate"
)

// burst is how many bytes a capped connection moves at once: a few milliseconds'
// worth at the rates in use, so that the cap is smooth and its timers are few.
const burst = 256 << 10

// throttledListener caps each connection that it accepts.
type throttledListener struct {
	net.Listener
	rate int64 // bytes a second
}

func (l *throttledListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &throttledConn{
		Conn: c,
		in:   rate.NewLimiter(rate.Limit(l.rate), burst),
		out:  rate.NewLimiter(rate.Limit(l.rate), burst),
	}, nil
}

// throttledConn moves no more than its limiters let it.
type throttledConn struct {
	net.Conn
	in, out *rate.Limiter
}

func (c *throttledConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p[:min(len(p), burst)])
	if n > 0 {
		c.in.WaitN(context.Background(), n) // n is at most a burst, so it only waits
	}
	return n, err
}

func (c *throttledConn) Write(p []byte) (int, error) {
	var sent int
	for {
		b := p[sent:min(len(p), sent+burst)]
		c.out.WaitN(context.Background(), len(b)) // as above
		n, err := c.Conn.Write(b)
		sent += n
		if err != nil || sent == len(p) {
			return sent, err
		}
	}
}

// ReadFrom sends what a file holds as Write does, by sendfile.
func (c *throttledConn) ReadFrom(r io.Reader) (int64, error) {
	to, ok := c.Conn.(io.ReaderFrom)
	if !ok {
		return io.Copy(struct{ io.Writer }{c}, r)
	}
	whole, ok := r.(*io.LimitedReader)
	if !ok {
		return io.Copy(struct{ io.Writer }{c}, r)
	}
	var sent int64
	for whole.N > 0 {
		part := &io.LimitedReader{R: whole.R, N: min(whole.N, burst)}
		c.out.WaitN(context.Background(), int(part.N)) // as above
		n, err := to.ReadFrom(part)
		sent += n
		whole.N -= n
		if err != nil || n == 0 {
			return sent, err
		}
	}
	return sent, nil
}
