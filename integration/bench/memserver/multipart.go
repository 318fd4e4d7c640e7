package memserver

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Source of both: Amazon S3 User Guide, "Multipart upload limits".
const (
	maxParts    = 10000
	minPartSize = 5 << 20 // of every part but the last
)

func (s *Server) createUpload(q *request) error {
	st := s.store
	st.mu.Lock()
	defer st.mu.Unlock()
	if _, err := st.bucketLocked(q.bucket); err != nil {
		return err
	}
	st.serial++
	u := &upload{
		id: fmt.Sprintf("upload-%016x", st.serial), bucket: q.bucket, key: q.key,
		header: kept(q.r.Header), parts: make(map[int]part),
	}
	st.uploads[u.id] = u
	return writeXML(q.w, http.StatusOK, struct {
		XMLName               xml.Name `xml:"InitiateMultipartUploadResult"`
		Bucket, Key, UploadId string
	}{Bucket: q.bucket, Key: q.key, UploadId: u.id})
}

// uploadLocked finds the upload that q names.
func (st *store) uploadLocked(q *request) (*upload, error) {
	u := st.uploads[q.get("uploadId")]
	if u == nil || u.bucket != q.bucket || u.key != q.key {
		return nil, errNoSuchUpload
	}
	return u, nil
}

// addPart keeps c as the part that q names and returns it with its ETag.
func (st *store) addPart(q *request, c content) (part, error) {
	n, err := strconv.Atoi(q.get("partNumber"))
	if err != nil || n < 1 || n > maxParts {
		return part{}, errInvalidArgument
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	u, err := st.uploadLocked(q)
	if err != nil {
		return part{}, err
	}
	p := part{content: c, etag: st.etagLocked(1), modified: now()}
	u.parts[n] = p
	return p, nil
}

func (s *Server) uploadPart(q *request) error {
	s.store.mu.RLock()
	_, err := s.store.uploadLocked(q)
	s.store.mu.RUnlock()
	if err != nil {
		return err
	}
	b, err := readBody(q.r)
	if err != nil {
		return err
	}
	s.counts.received.Add(int64(len(b)))
	p, err := s.store.addPart(q, contentOf(b))
	if err != nil {
		return err
	}
	copyHeader(q.w.Header(), checksums(q.r.Header))
	q.w.Header().Set("ETag", `"`+p.etag+`"`)
	q.w.WriteHeader(http.StatusOK)
	return nil
}

func (s *Server) uploadPartCopy(q *request) error {
	_, _, src, err := s.copySource(q)
	if err != nil {
		return err
	}
	c := src.content
	if h := q.r.Header.Get("X-Amz-Copy-Source-Range"); h != "" {
		from, to, _ := strings.Cut(strings.TrimPrefix(h, "bytes="), "-")
		off, err1 := strconv.ParseInt(from, 10, 64)
		last, err2 := strconv.ParseInt(to, 10, 64)
		if err1 != nil || err2 != nil || off < 0 || last < off || last >= c.size {
			return errInvalidArgument // S3 clamps nothing here
		}
		c = c.slice(off, last-off+1)
	}
	p, err := s.store.addPart(q, c)
	if err != nil {
		return err
	}
	return writeXML(q.w, http.StatusOK,
		copied{xml.Name{Local: "CopyPartResult"}, `"` + p.etag + `"`, stamp(p.modified)})
}

// maxXML is more than any request document is long.
const maxXML = 4 << 20

func (s *Server) completeUpload(q *request) error {
	b, err := io.ReadAll(io.LimitReader(q.r.Body, maxXML))
	if err != nil {
		return errIncompleteBody
	}
	var in struct {
		Part []struct {
			PartNumber int
			ETag       string
		}
	}
	if err := xml.Unmarshal(b, &in); err != nil || len(in.Part) == 0 {
		return errMalformedXML
	}
	for i, p := range in.Part[1:] {
		if p.PartNumber <= in.Part[i].PartNumber {
			return errInvalidPartOrder
		}
	}
	st := s.store
	st.mu.Lock()
	defer st.mu.Unlock()
	u, err := st.uploadLocked(q)
	if err != nil {
		return err
	}
	var cs []content
	for i, p := range in.Part {
		have, ok := u.parts[p.PartNumber]
		if !ok || strings.Trim(p.ETag, `"`) != have.etag {
			return errInvalidPart
		}
		if i < len(in.Part)-1 && have.size < minPartSize {
			return errEntityTooSmall
		}
		cs = append(cs, have.content)
	}
	o := &object{content: join(cs), header: u.header,
		checksum: checksums(q.r.Header), parts: len(cs)}
	if err := st.putLocked(q.bucket, q.key, o, q.r.Header); err != nil {
		return err
	}
	delete(st.uploads, u.id)
	return writeXML(q.w, http.StatusOK, struct {
		XMLName                     xml.Name `xml:"CompleteMultipartUploadResult"`
		Location, Bucket, Key, ETag string
	}{Location: "http://" + q.r.Host + q.r.URL.EscapedPath(), Bucket: q.bucket, Key: q.key,
		ETag: `"` + o.etag + `"`})
}

func (s *Server) abortUpload(q *request) error {
	st := s.store
	st.mu.Lock()
	defer st.mu.Unlock()
	u, err := st.uploadLocked(q)
	if err != nil {
		return err
	}
	delete(st.uploads, u.id)
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) listParts(q *request) error {
	type listed struct {
		PartNumber   int
		LastModified string
		ETag         string
		Size         int64
	}
	out := struct {
		XMLName               xml.Name `xml:"ListPartsResult"`
		Bucket, Key, UploadId string
		PartNumberMarker      int
		NextPartNumberMarker  int
		MaxParts              int
		IsTruncated           bool
		Part                  []listed
	}{Bucket: q.bucket, Key: q.key, UploadId: q.get("uploadId"), MaxParts: maxKeysPage}
	out.PartNumberMarker, _ = strconv.Atoi(q.get("part-number-marker")) // none is 0
	if n, err := strconv.Atoi(q.get("max-parts")); err == nil && n > 0 {
		out.MaxParts = min(n, maxKeysPage)
	}
	st := s.store
	st.mu.RLock()
	defer st.mu.RUnlock()
	u, err := st.uploadLocked(q)
	if err != nil {
		return err
	}
	for n, p := range u.parts {
		if n > out.PartNumberMarker {
			out.Part = append(out.Part, listed{n, stamp(p.modified), `"` + p.etag + `"`, p.size})
		}
	}
	slices.SortFunc(out.Part,
		func(a, b listed) int { return cmp.Compare(a.PartNumber, b.PartNumber) })
	if len(out.Part) > out.MaxParts {
		out.Part, out.IsTruncated = out.Part[:out.MaxParts], true
	}
	if len(out.Part) > 0 {
		out.NextPartNumberMarker = out.Part[len(out.Part)-1].PartNumber
	}
	return writeXML(q.w, http.StatusOK, out)
}
