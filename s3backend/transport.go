package s3backend

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"

	"github.com/s3share/s3share/s3backend/bandwidth"
)

const (
	// quiet is how long a request may go without a byte moving.
	quiet = 30 * time.Second

	// quietServerWork is the same for requests during which S3 itself moves
	// data before it answers: "processing of a Complete Multipart Upload request
	// could take several minutes" (Amazon S3 API Reference).
	quietServerWork = 10 * time.Minute

	// readBuffer is that of each connection. Whoever reads by more, as cached
	// blocks are, reads past it, without a copy.
	readBuffer = 64 << 10
	// writeBuffer is the same for what is sent.
	writeBuffer = 256 << 10

	// writeSize is the largest write to a connection that counts as one step
	// of progress: 128 KiB in 30 s lets a link of 4.4 KB/s a stream live.
	writeSize = 128 << 10

	// readStep is the same for what is read: a reply that dribbles is none.
	readStep = 64 << 10

	// mostHeader is of a reply's headers together, in bytes. S3's have some 10 KB at most.
	mostHeader = 256 << 10

	// mostReply is of a reply that is no object's content, in bytes. The largest of S3's, a
	// listing of a thousand keys of a thousand bytes, each written %XX, has 4 MB.
	mostReply = 8 << 20
)

// errTooLong ends a reply that is longer than S3's are.
var errTooLong = errors.New("the reply of S3 has no end")

// errStalled ends a request on which nothing moved. It is not retried: the
// caller has waited long enough, and has a longer patience where it wants one.
var errStalled error = &stalledError{}

type stalledError struct{}

func (*stalledError) Error() string { return "no answer from S3 in 30s" }
func (*stalledError) Timeout() bool { return true }

// tune sets up the transport for a few hosts, many connections and large bodies.
// HTTP/1.1 only: one connection a stream is what S3's throughput is made of.
func tune(t *http.Transport) {
	t.Proxy = http.ProxyFromEnvironment
	t.MaxIdleConns = 0
	t.MaxIdleConnsPerHost = 128
	t.MaxConnsPerHost = 0
	t.IdleConnTimeout = 90 * time.Second
	t.TLSHandshakeTimeout = 10 * time.Second
	t.ExpectContinueTimeout = time.Second
	t.ReadBufferSize = readBuffer
	t.WriteBufferSize = writeBuffer
	t.MaxResponseHeaderBytes = mostHeader
	t.DisableCompression = true
	t.ForceAttemptHTTP2 = false
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	t.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dialer.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &conn{Conn: c}, nil
	}
}

// conn resets the watchdog of the request that it serves each time bytes were sent.
type conn struct {
	net.Conn
	dog atomic.Pointer[watchdog] // of the request now on this connection
}

func (c *conn) Write(p []byte) (n int, err error) {
	for first := true; first || len(p) > 0; first = false {
		step := p[:min(len(p), writeSize)]
		m, err := c.Conn.Write(step)
		n += m
		if err != nil {
			return n, err
		}
		p = p[m:]
		c.dog.Load().touch(m)
	}
	return n, nil
}

var copyBuffers = sync.Pool{New: func() any { b := make([]byte, writeSize); return &b }}

// ReadFrom is what net/http sends a body with; left to itself it would copy
// by 32 KiB.
func (c *conn) ReadFrom(r io.Reader) (int64, error) {
	buf := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(buf)
	return io.CopyBuffer(struct{ io.Writer }{c}, r, *buf)
}

// watchdog cancels a request when it is not touched for its limit.
type watchdog struct {
	limit  time.Duration
	timer  *time.Timer
	cancel context.CancelCauseFunc
	moved  *atomic.Int64 // bytes of all requests
}

// touch notes that n bytes have moved.
func (d *watchdog) touch(n int) {
	if d != nil {
		d.timer.Reset(d.limit)
		d.moved.Add(int64(n))
	}
}

// watched is the SDK's HTTP client: net/http's, with a watchdog on each
// attempt. It sees the reply's headers and the body's bytes as progress, and
// what a connection has written.
type watched struct {
	client *http.Client
	quiet  time.Duration
	slow   time.Duration
	moved  atomic.Int64

	upload, download *bandwidth.Limiter
}

func newWatched(t *http.Transport, limits Limits) *watched {
	return &watched{
		upload: bandwidth.New(limits.Upload), download: bandwidth.New(limits.Download),
		quiet: quiet,
		slow:  quietServerWork,
		client: &http.Client{
			Transport: t,
			// A redirect names another host, to which nothing of ours was signed.
			CheckRedirect: func(*http.Request, []*http.Request) error {
				return http.ErrUseLastResponse
			},
		},
	}
}

// Do sends one attempt.
func (w *watched) Do(req *http.Request) (*http.Response, error) {
	limit, op := w.quiet, awsmiddleware.GetOperationName(req.Context())
	switch op {
	case "CompleteMultipartUpload", "CopyObject", "UploadPartCopy":
		limit = w.slow
	}
	large, err := w.waitToSend(req, op)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	ctx, cancel := context.WithCancelCause(req.Context())
	dog := &watchdog{limit: limit, cancel: cancel, moved: &w.moved}
	dog.timer = time.AfterFunc(limit, func() { cancel(errStalled) })
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			if c := plainConn(info.Conn); c != nil {
				c.dog.Store(dog)
			}
			dog.touch(0)
		},
	})
	req = req.WithContext(ctx)
	if large {
		req.Body = &limitedBody{ReadCloser: req.Body, ctx: ctx, dog: dog, limiter: w.upload}
	}
	resp, err := w.client.Do(req)
	dog.timer.Stop()
	if err != nil {
		err = stalled(ctx, err)
		cancel(nil)
		return nil, err
	}
	body := &watchedBody{ReadCloser: resp.Body, ctx: ctx, dog: dog,
		room: mostReply, limiter: w.download}
	if content := op == "GetObject" ||
		op == "" && req.Method == http.MethodGet; content && resp.StatusCode/100 == 2 {
		body.room = 0
		body.small = resp.ContentLength >= 0 && resp.ContentLength <= bandwidth.SmallBody
	}
	if req.Method == http.MethodGet || req.Method == http.MethodHead { // nothing was sent meanwhile
		body.waited = time.Since(began)
	}
	resp.Body = body
	return resp, nil
}

// plainConn finds our connection below TLS.
func plainConn(c net.Conn) *conn {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	plain, _ := c.(*conn)
	return plain
}

// stalled puts errStalled in place of the cancellation that it caused, which
// would look like the caller's own.
func stalled(ctx context.Context, err error) error {
	if context.Cause(ctx) == errStalled && err != nil && !errors.Is(err, io.EOF) {
		return errStalled
	}
	return err
}

// watchedBody is a reply's body. Its watchdog runs only while a Read waits: a
// reader may take its time between two. Each readStep, and what is less of the end,
// has to come within the watchdog's limit.
type watchedBody struct {
	io.ReadCloser
	ctx    context.Context
	dog    *watchdog
	waited time.Duration // since the last step, the wait for the headers included
	got    int           // bytes since then
	room   int64         // how many may still come; 0 for any number, -1 for none

	limiter *bandwidth.Limiter
	small   bool // content that does not wait behind large bodies
}

func (b *watchedBody) Read(p []byte) (int, error) {
	if b.room < 0 {
		b.dog.cancel(nil)
		return 0, errTooLong
	}
	if b.room > 0 {
		p = p[:min(int64(len(p)), b.room)]
	}
	content := b.room == 0
	if content && !b.small {
		p = p[:b.limiter.Step(len(p))]
	}
	began := time.Now()
	b.dog.timer.Reset(max(0, b.dog.limit-b.waited))
	n, err := b.ReadCloser.Read(p)
	b.dog.moved.Add(int64(n))
	b.dog.timer.Stop()
	b.waited += time.Since(began)
	if b.room > 0 {
		if b.room -= int64(n); b.room == 0 {
			b.room = -1
		}
	}
	if b.got += n; b.got >= readStep {
		b.waited, b.got = 0, 0
	}
	if held := b.hold(content, n); err == nil {
		err = held
	}
	if err != nil {
		err = stalled(b.ctx, err)
		b.dog.cancel(nil)
	}
	return n, err
}

// hold counts n bytes that were read. Those of an object's content wait for the limit, while the
// watchdog does not run; a program waits for all others.
func (b *watchedBody) hold(content bool, n int) error {
	switch {
	case !content:
		b.limiter.Charge(n)
		return nil
	case b.small:
		return b.limiter.Wait(b.ctx, n)
	}
	return b.limiter.WaitInTurn(b.ctx, n)
}

func (b *watchedBody) Close() error {
	b.dog.timer.Stop()
	b.dog.cancel(nil)
	return b.ReadCloser.Close()
}
