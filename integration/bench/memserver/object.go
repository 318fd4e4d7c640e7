package memserver

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// keptHeader reports whether PUT keeps the header name and GET sends it again.
func keptHeader(name string) bool {
	switch name {
	case "Content-Type", "Content-Disposition", "Content-Encoding", "Content-Language",
		"Cache-Control", "Expires",
		"X-Amz-Storage-Class", "X-Amz-Website-Redirect-Location":
		return true
	}
	return strings.HasPrefix(name, "X-Amz-Meta-")
}

// kept returns what is to be kept of a request's header.
func kept(h http.Header) http.Header {
	out := make(http.Header)
	for name, v := range h {
		if keptHeader(name) {
			out[name] = v
		}
	}
	if enc := out.Get("Content-Encoding"); enc != "" {
		var rest []string // aws-chunked says how the body travels, not what it is
		for e := range strings.SplitSeq(enc, ",") {
			if e = strings.TrimSpace(e); e != "aws-chunked" && e != "" {
				rest = append(rest, e)
			}
		}
		out.Del("Content-Encoding")
		if len(rest) > 0 {
			out.Set("Content-Encoding", strings.Join(rest, ","))
		}
	}
	if out.Get("Content-Type") == "" {
		out.Set("Content-Type", "binary/octet-stream")
	}
	return out
}

// checksums returns the checksum values in h.
func checksums(h http.Header) http.Header {
	out := make(http.Header)
	for name, v := range h {
		if strings.HasPrefix(name, "X-Amz-Checksum-") && name != "X-Amz-Checksum-Algorithm" &&
			name != "X-Amz-Checksum-Mode" {
			out[name] = v
		}
	}
	return out
}

func copyHeader(dst, src http.Header) {
	for name, v := range src {
		if rest, ok := strings.CutPrefix(name, "X-Amz-"); ok {
			name = "x-amz-" + strings.ToLower(rest) // as S3 writes them
		}
		dst[name] = v
	}
}

// getObject answers GetObject and HeadObject.
func (s *Server) getObject(q *request) error {
	o, err := s.store.get(q.bucket, q.key)
	if err != nil {
		return err
	}
	if err := readConditions(q.r.Header, "", o); err != nil {
		return err
	}
	h := q.w.Header()
	off, n, ranged, err := parseRange(q.r.Header.Get("Range"), o.size)
	if err != nil {
		h.Set("Content-Range", fmt.Sprintf("bytes */%d", o.size))
		return err
	}
	copyHeader(h, o.header)
	for name, v := range q.query {
		if rest, ok := strings.CutPrefix(name, "response-"); ok {
			h[http.CanonicalHeaderKey(rest)] = v
		}
	}
	h.Set("ETag", `"`+o.etag+`"`)
	h.Set("Last-Modified", o.modified.Format(http.TimeFormat))
	h.Set("Accept-Ranges", "bytes")
	c, status := o.content, http.StatusOK
	if ranged {
		c, status = o.slice(off, n), http.StatusPartialContent
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", off, off+n-1, o.size))
	} else if q.r.Header.Get("X-Amz-Checksum-Mode") == "ENABLED" {
		copyHeader(h, o.checksum)
	}
	h.Set("Content-Length", strconv.FormatInt(c.size, 10))
	q.w.WriteHeader(status)
	if q.r.Method == http.MethodHead {
		return nil
	}
	send := c.send
	if q.r.TLS != nil {
		send = c.WriteTo // it has to be encrypted, so from memory
	}
	sent, _ := send(q.w) // a client that has enough hangs up
	s.counts.sent.Add(sent)
	return nil
}

func (s *Server) putObject(q *request) error {
	if err := s.store.exists(q.bucket); err != nil {
		return err
	}
	b, err := readBody(q.r)
	if err != nil {
		return err
	}
	s.counts.received.Add(int64(len(b)))
	o := &object{content: contentOf(b), header: kept(q.r.Header), checksum: checksums(q.r.Header)}
	if err := s.store.put(q.bucket, q.key, o, q.r.Header); err != nil {
		return err
	}
	copyHeader(q.w.Header(), o.checksum)
	q.w.Header().Set("ETag", `"`+o.etag+`"`)
	q.w.WriteHeader(http.StatusOK)
	return nil
}

// copySource finds the object that a copy names, and checks its conditions.
func (s *Server) copySource(q *request) (bucket, key string, o *object, err error) {
	src, _, _ := strings.Cut(q.r.Header.Get("X-Amz-Copy-Source"), "?")
	src, err = url.PathUnescape(strings.TrimPrefix(src, "/"))
	if err != nil {
		return "", "", nil, errInvalidArgument
	}
	bucket, key, _ = strings.Cut(src, "/")
	o, err = s.store.get(bucket, key)
	if err != nil {
		return "", "", nil, err
	}
	return bucket, key, o, readConditions(q.r.Header, "X-Amz-Copy-Source-", o)
}

// copied is the answer to CopyObject and UploadPartCopy.
type copied struct {
	XMLName      xml.Name
	ETag         string
	LastModified string
}

func (s *Server) copyObject(q *request) error {
	bucket, key, src, err := s.copySource(q)
	if err != nil {
		return err
	}
	o := &object{content: src.content, header: src.header, checksum: src.checksum, parts: src.parts}
	if strings.EqualFold(q.r.Header.Get("X-Amz-Metadata-Directive"), "REPLACE") {
		o.header = kept(q.r.Header)
	} else if bucket == q.bucket && key == q.key {
		return errInvalidRequest
	}
	if err := s.store.put(q.bucket, q.key, o, q.r.Header); err != nil {
		return err
	}
	return writeXML(q.w, http.StatusOK,
		copied{xml.Name{Local: "CopyObjectResult"}, `"` + o.etag + `"`, stamp(o.modified)})
}

// stamp is a time as S3 writes it in XML.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func (s *Server) deleteObject(q *request) error {
	if err := s.store.delete(q.bucket, q.key, q.r.Header); err != nil {
		return err
	}
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}

// maxDelete is how many keys one DeleteObjects may name. Source: Amazon S3 API
// Reference, DeleteObjects.
const maxDelete = 1000

func (s *Server) deleteObjects(q *request) error {
	b, err := readBody(q.r)
	if err != nil {
		return err
	}
	var in struct {
		Quiet  bool
		Object []struct{ Key, ETag string }
	}
	if err := xml.Unmarshal(b, &in); err != nil || len(in.Object) == 0 ||
		len(in.Object) > maxDelete {
		return errMalformedXML
	}
	type deleted struct{ Key string }
	type failed struct{ Key, Code, Message string }
	out := struct {
		XMLName xml.Name `xml:"DeleteResult"`
		Deleted []deleted
		Error   []failed
	}{}
	for _, o := range in.Object {
		h := make(http.Header)
		if o.ETag != "" {
			h.Set("If-Match", o.ETag)
		}
		switch err := s.store.delete(q.bucket, o.Key, h).(type) {
		case nil:
			if !in.Quiet {
				out.Deleted = append(out.Deleted, deleted{o.Key})
			}
		case *apiError:
			if err == errNoSuchBucket {
				return err
			}
			out.Error = append(out.Error, failed{o.Key, err.code, err.message})
		}
	}
	return writeXML(q.w, http.StatusOK, out)
}
