// Package memserver is a small S3 server that keeps everything in memory. It
// exists for benchmarks of S3 clients: it answers rightly, at next to no cost,
// and can be made as slow as a far bucket. It has no users, no policies and no
// persistence, and must never listen on anything but loopback.
//
// An object is a list of immutable byte slices (see content). A PUT reads its
// body into one slice, a multipart upload joins its parts' slices, a copy
// shares them, and a GET hands them to the socket: one byte is copied once on
// its way in, and once on its way out, both times by the kernel. Large objects
// that the benchmark itself put there are not even copied (see memfile).
//
// Any signature is accepted and none is checked. Neither are body checksums:
// the benchmark compares whole objects afterwards, by the paths under /-/
// (see control.go). ETags are opaque, in the form that multipart uploads have,
// so that no client takes them for an MD5.
package memserver

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"strings"
	"time"
)

// Config says how the server behaves. The zero value is the fastest server.
type Config struct {
	// Buckets exist from the start and are emptied by a reset.
	Buckets []string
	// Latency is waited at the start of each S3 request.
	Latency time.Duration
	// ConnRate caps each connection, in bytes a second, each way on its own.
	// Zero means no cap.
	ConnRate int64
}

// Server is an S3 server in memory. Its methods may be called by any goroutine.
type Server struct {
	cfg    Config
	counts counter
	store  *store
}

// New returns a server with cfg's buckets, all empty.
func New(cfg Config) *Server {
	return &Server{cfg: cfg, store: newStore(cfg.Buckets)}
}

// Serve answers on l until ctx ends, and then closes l and all connections. With
// a certificate it speaks TLS. It may be called more than once, for several
// listeners.
func (s *Server) Serve(ctx context.Context, l net.Listener, certificate *tls.Certificate) error {
	if s.cfg.ConnRate > 0 {
		l = &throttledListener{Listener: l, rate: s.cfg.ConnRate}
	}
	// S3 has no HTTP/2 either.
	srv := &http.Server{Handler: s,
		TLSNextProto: make(map[string]func(*http.Server, *tls.Conn, http.Handler))}
	if certificate != nil {
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{*certificate}})
	}
	stop := context.AfterFunc(ctx, func() { srv.Close() })
	defer stop()
	err := srv.Serve(l)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// request is one S3 request on its way through a handler.
type request struct {
	w      http.ResponseWriter
	r      *http.Request
	bucket string
	key    string
	query  map[string][]string
}

func (q *request) has(name string) bool { _, ok := q.query[name]; return ok }

func (q *request) get(name string) string {
	if v := q.query[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// operation is a handler with the name that S3 gives to it.
type operation struct {
	name string
	do   func(*Server, *request) error
}

// ServeHTTP answers path-style S3 requests, and the control paths under /-/.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/-/") {
		s.control(w, r)
		return
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	q := &request{w: w, r: r, bucket: bucket, key: key, query: r.URL.Query()}
	op := route(q)
	s.counts.add(op.name)
	if s.cfg.Latency > 0 {
		select {
		case <-time.After(s.cfg.Latency):
		case <-r.Context().Done():
			return
		}
	}
	if err := op.do(s, q); err != nil {
		s.counts.addError(op.name, writeError(w, r, err))
	}
}

// route finds the operation that q asks for.
func route(q *request) operation {
	switch {
	case q.bucket == "":
		return operation{"ListBuckets", (*Server).listBuckets}
	case q.key == "":
		return routeBucket(q)
	default:
		return routeObject(q)
	}
}

func routeBucket(q *request) operation {
	switch q.r.Method {
	case http.MethodHead:
		return operation{"HeadBucket", (*Server).headBucket}
	case http.MethodPut:
		return operation{"CreateBucket", (*Server).createBucket}
	case http.MethodPost:
		if q.has("delete") {
			return operation{"DeleteObjects", (*Server).deleteObjects}
		}
	case http.MethodGet:
		for _, sub := range bucketSubresources {
			if q.has(sub.query) {
				return operation{sub.op,
					func(s *Server, q *request) error { return s.bucketSubresource(q, sub) }}
			}
		}
		if q.has("uploads") {
			return operation{"ListMultipartUploads", (*Server).listUploads}
		}
		if q.get("list-type") == "2" {
			return operation{"ListObjectsV2", (*Server).listObjectsV2}
		}
		return operation{"ListObjects", (*Server).listObjectsV1}
	}
	return operation{"Unknown", notImplemented}
}

func routeObject(q *request) operation {
	copying := q.r.Header.Get("X-Amz-Copy-Source") != ""
	switch q.r.Method {
	case http.MethodHead:
		return operation{"HeadObject", (*Server).getObject}
	case http.MethodGet:
		switch {
		case q.has("uploadId"):
			return operation{"ListParts", (*Server).listParts}
		case q.has("acl"):
			return operation{"GetObjectAcl", (*Server).getObjectACL}
		case q.has("tagging"):
			return operation{"GetObjectTagging", (*Server).getObjectTagging}
		case q.has("attributes"):
			return operation{"GetObjectAttributes", notImplemented}
		}
		return operation{"GetObject", (*Server).getObject}
	case http.MethodPut:
		switch {
		case q.has("uploadId") && copying:
			return operation{"UploadPartCopy", (*Server).uploadPartCopy}
		case q.has("uploadId"):
			return operation{"UploadPart", (*Server).uploadPart}
		case q.has("acl"):
			return operation{"PutObjectAcl", (*Server).putObjectACL}
		case q.has("tagging"):
			return operation{"PutObjectTagging", notImplemented}
		case copying:
			return operation{"CopyObject", (*Server).copyObject}
		}
		return operation{"PutObject", (*Server).putObject}
	case http.MethodPost:
		switch {
		case q.has("uploads"):
			return operation{"CreateMultipartUpload", (*Server).createUpload}
		case q.has("uploadId"):
			return operation{"CompleteMultipartUpload", (*Server).completeUpload}
		}
	case http.MethodDelete:
		if q.has("uploadId") {
			return operation{"AbortMultipartUpload", (*Server).abortUpload}
		}
		return operation{"DeleteObject", (*Server).deleteObject}
	}
	return operation{"Unknown", notImplemented}
}

func notImplemented(*Server, *request) error { return errNotImplemented }
