package integration

import (
	"bytes"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

// gateway stands between a mount and the server: it counts requests by the name
// that S3 gives them, and may answer, hold or spoil them. It changes nothing that
// is signed.
type gateway struct {
	*httptest.Server

	forward http.Handler // to the server

	mu     sync.Mutex
	answer func(op string, w http.ResponseWriter, r *http.Request) bool
	seen   func(passed)
	counts map[string]int // requests that were let through, by name
	denied int            // requests that the server has refused
	active []*activeRule
	faults int64 // what the rules have done
}

// through is the exchange behind a gateway; plain clients do not pass it.
func (x exchange) through(t *testing.T) (*exchange, *gateway) {
	t.Helper()
	to, err := url.Parse(x.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{counts: map[string]int{}}
	g.forward = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = r.In.Host // it is signed
		},
		Transport:     &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 128},
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0), // of mounts that were killed
	}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		op := operation(r)
		g.mu.Lock()
		answer := g.answer
		g.mu.Unlock()
		if answer != nil && answer(op, w, r) {
			return
		}
		pass := func(w http.ResponseWriter, r *http.Request) {
			// Such a key does not exist: a mount at rest uses it to find out what is granted.
			if !strings.Contains(r.URL.Path, "/.s3share-") {
				g.mu.Lock()
				g.counts[op]++
				g.mu.Unlock()
			}
			g.passOn(op, w, r)
		}
		if f := g.faultFor(op, r); f != nil {
			f(w, r, pass)
			return
		}
		pass(w, r)
	}))
	t.Cleanup(func() {
		g.CloseClientConnections()
		g.Close()
	})
	x.Endpoint = g.URL
	return &x, g
}

// when has the gateway ask answer at each request from now on: whether it has
// answered by itself. nil lets all through.
func (g *gateway) when(answer func(op string, w http.ResponseWriter, r *http.Request) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.answer = answer
}

// passed is a request that has reached the server, with its answer.
type passed struct {
	op, key string
	source  string // of a copy: the key
	body    []byte // of a PutObject or a DeleteObjects
	status  int
	answer  http.Header
	listing []byte // the answer to a ListObjectsV2
}

// stored reports whether an object has come to be by it.
func (p passed) stored() bool {
	return p.status == http.StatusOK &&
		(p.op == "PutObject" || p.op == "CopyObject" || p.op == "CompleteMultipartUpload")
}

// etag is that of the object in the answer.
func (p passed) etag() string { return strings.Trim(p.answer.Get("ETag"), `"`) }

// watch has the gateway call seen for each request that has reached the server,
// before the mount has all of the answer.
func (g *gateway) watch(seen func(passed)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.seen = seen
}

// passOn sends a request to the server, and the answer back.
func (g *gateway) passOn(op string, w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	seen := g.seen
	g.mu.Unlock()
	answer := &answerWriter{ResponseWriter: w, keep: seen != nil && op == "ListObjectsV2"}
	defer func() {
		if answer.status == http.StatusForbidden {
			g.mu.Lock()
			g.denied++
			g.mu.Unlock()
		}
	}()
	if seen == nil {
		g.forward.ServeHTTP(answer, r)
		return
	}
	_, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/") // behind the bucket
	p := passed{op: op, key: key}
	sent := &bytes.Buffer{}
	if source, err := url.PathUnescape(r.Header.Get("X-Amz-Copy-Source")); err == nil {
		_, p.source, _ = strings.Cut(strings.TrimPrefix(source, "/"), "/")
	}
	if op == "PutObject" || op == "DeleteObjects" {
		r.Body = struct {
			io.Reader
			io.Closer
		}{io.TeeReader(r.Body, sent), r.Body}
	}
	defer func() { // also where the answer does not arrive
		p.body, p.status, p.answer, p.listing = sent.Bytes(),
			answer.status, answer.Header(), answer.body.Bytes()
		seen(p)
	}()
	g.forward.ServeHTTP(answer, r)
}

// answerWriter remembers an answer.
type answerWriter struct {
	http.ResponseWriter
	status int
	keep   bool // the body
	body   bytes.Buffer
}

func (w *answerWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *answerWriter) Write(b []byte) (int, error) {
	if w.keep {
		w.body.Write(b)
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (w *answerWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// lose has the server carry out a request, and cuts the connection instead of
// answering.
func (g *gateway) lose(r *http.Request) { loseAnswer(nil, r, g.forward.ServeHTTP) }

// count tells how many requests of this name were let through.
func (g *gateway) count(op string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.counts[op]
}

// refusals tells how many requests the server has refused.
func (g *gateway) refusals() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.denied
}

// others are the names of all requests that are not in this list.
func (g *gateway) others(than ...string) []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var names []string
	for op := range g.counts {
		if !slices.Contains(than, op) {
			names = append(names, op)
		}
	}
	return names
}

// operation is S3's name of a request.
func operation(r *http.Request) string {
	q := r.URL.Query()
	copies := r.Header.Get("X-Amz-Copy-Source") != ""
	switch r.Method {
	case http.MethodPut:
		switch {
		case q.Has("acl"):
			return "PutObjectAcl"
		case q.Has("partNumber") && copies:
			return "UploadPartCopy"
		case q.Has("partNumber"):
			return "UploadPart"
		case copies:
			return "CopyObject"
		}
		return "PutObject"
	case http.MethodPost:
		switch {
		case q.Has("uploads"):
			return "CreateMultipartUpload"
		case q.Has("uploadId"):
			return "CompleteMultipartUpload"
		case q.Has("delete"):
			return "DeleteObjects"
		}
	case http.MethodGet:
		switch {
		case q.Has("list-type"):
			return "ListObjectsV2"
		case q.Has("uploadId"):
			return "ListParts"
		case q.Has("uploads"):
			return "ListMultipartUploads"
		case len(q) == 0 || q.Has("x-id"):
			return "GetObject"
		}
	case http.MethodHead:
		return "HeadObject"
	case http.MethodDelete:
		if q.Has("uploadId") {
			return "AbortMultipartUpload"
		}
		return "DeleteObject"
	}
	return r.Method + " " + r.URL.RawQuery
}
