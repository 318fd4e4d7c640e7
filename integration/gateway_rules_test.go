package integration

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// A faultRule has something happen to the requests that it matches, on their way
// between a mount and the server. The first rule that matches a request is the only
// one.
type faultRule struct {
	op    string // S3's names of requests, separated by |; "" for all
	key   string // what the path ends in; "" for every path
	skip  int64  // so many that match pass first
	times int64  // it happens to so many; 0 for all
	fault requestFault
}

// requestFault is what happens to a request: forward sends it on, and writes the answer.
type requestFault func(w http.ResponseWriter, r *http.Request, forward http.HandlerFunc)

// answerWith answers in the place of the server, which sees nothing.
func answerWith(status int, code string) requestFault {
	return func(w http.ResponseWriter, r *http.Request, _ http.HandlerFunc) {
		refuse(w, r, status, code)
	}
}

// delayBy holds the request on its way to the server.
func delayBy(d time.Duration) requestFault {
	return func(w http.ResponseWriter, r *http.Request, forward http.HandlerFunc) {
		select {
		case <-time.After(d):
			forward(w, r)
		case <-r.Context().Done():
		}
	}
}

// reset closes the connection before the server sees the request.
func reset(http.ResponseWriter, *http.Request, http.HandlerFunc) { panic(http.ErrAbortHandler) }

// loseAnswer has the server carry out the request, and closes the connection in
// place of its answer.
func loseAnswer(_ http.ResponseWriter, r *http.Request, forward http.HandlerFunc) {
	forward(nowhere{http.Header{}}, r)
	panic(http.ErrAbortHandler)
}

// repeat sends the request twice, and passes on the second answer.
func repeat(w http.ResponseWriter, r *http.Request, forward http.HandlerFunc) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	for _, to := range []http.ResponseWriter{nowhere{http.Header{}}, w} {
		again := r.Clone(r.Context())
		again.Body = io.NopCloser(bytes.NewReader(body))
		forward(to, again)
	}
}

// cutBody closes the connection to the server after so many bytes of the request.
func cutBody(after int64) requestFault {
	return func(_ http.ResponseWriter, r *http.Request, forward http.HandlerFunc) {
		r.Body = io.NopCloser(io.MultiReader(io.LimitReader(r.Body, after), broken{}))
		forward(nowhere{http.Header{}}, r)
		panic(http.ErrAbortHandler)
	}
}

// cutAnswer closes the connection to the mount after so many bytes of the answer.
func cutAnswer(after int) requestFault {
	return func(w http.ResponseWriter, r *http.Request, forward http.HandlerFunc) {
		forward(&cutWriter{ResponseWriter: w, left: after}, r)
		panic(http.ErrAbortHandler)
	}
}

// nowhere takes an answer that is lost.
type nowhere struct{ header http.Header }

func (n nowhere) Header() http.Header         { return n.header }
func (n nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (n nowhere) WriteHeader(int)             {}

// broken is a body that cannot be read.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("the body is cut off") }

// cutWriter passes on the first bytes of an answer.
type cutWriter struct {
	http.ResponseWriter
	left int
}

func (w *cutWriter) Write(b []byte) (int, error) {
	n, err := w.ResponseWriter.Write(b[:min(len(b), w.left)])
	w.left -= n
	_ = http.NewResponseController(w.ResponseWriter).Flush()
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	return n, err
}

// activeRule is a rule with the requests that it has met.
type activeRule struct {
	faultRule
	met atomic.Int64
}

// happens reports whether the rule's fault is due, and counts the request.
func (a *activeRule) happens(op string, r *http.Request) bool {
	if a.op != "" && !slices.Contains(strings.Split(a.op, "|"), op) ||
		!strings.HasSuffix(r.URL.Path, a.key) {
		return false
	}
	n := a.met.Add(1) - a.skip
	return n > 0 && (a.times == 0 || n <= a.times)
}

// rules replaces the rules of the gateway.
func (g *gateway) rules(rules ...faultRule) {
	active := make([]*activeRule, len(rules))
	for i, r := range rules {
		active[i] = &activeRule{faultRule: r}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.active = active
}

// faultFor is what is to happen to the request, nil for nothing.
func (g *gateway) faultFor(op string, r *http.Request) requestFault {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, a := range g.active {
		if a.happens(op, r) {
			g.faults++
			return a.fault
		}
	}
	return nil
}

// faultCount is how many requests something has happened to.
func (g *gateway) faultCount() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.faults
}

// bucketFaults are the faults that sequences name.
var bucketFaults = map[string]requestFault{
	"503":       answerWith(http.StatusServiceUnavailable, "SlowDown"),
	"500":       answerWith(http.StatusInternalServerError, "InternalError"),
	"403":       answerWith(http.StatusForbidden, "AccessDenied"),
	"400":       answerWith(http.StatusBadRequest, "KMS.DisabledException"),
	"409":       answerWith(http.StatusConflict, "ConditionalRequestConflict"),
	"reset":     reset,
	"lose":      loseAnswer,
	"repeat":    repeat,
	"cutbody":   cutBody(3),
	"cutanswer": cutAnswer(3),
	"delay":     delayBy(300 * time.Millisecond),
}

func bucketFault(name string) requestFault {
	f, ok := bucketFaults[name]
	if !ok {
		panic(fmt.Sprintf("no fault is called %q", name))
	}
	return f
}
