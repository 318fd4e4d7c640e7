package memserver

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// maxKeysPage is the most that one page of any listing holds. Source: Amazon S3
// API Reference, ListObjectsV2.
const maxKeysPage = 1000

// page is one page of a listing.
type page struct {
	keys     []string
	objects  []*object // of keys, one by one
	prefixes []string
	next     string // the last key or prefix, when there is more
}

func (p *page) len() int { return len(p.keys) + len(p.prefixes) }

// list returns up to limit entries after the key or common prefix after.
func (st *store) list(bucket, prefix, delimiter, after string, limit int) (*page, error) {
	st.mu.RLock()
	defer st.mu.RUnlock()
	b, err := st.bucketLocked(bucket)
	if err != nil {
		return nil, err
	}
	p := new(page)
	if limit == 0 {
		return p, nil
	}
	it := b.Iter()
	from := prefix
	if after >= from {
		from = after
	}
	ok := it.Seek(from)
	if ok && it.Key() == after {
		ok = it.Next()
	}
	var last string
	for ok {
		key := it.Key()
		rest, in := strings.CutPrefix(key, prefix)
		if !in {
			break
		}
		common := ""
		if delimiter != "" {
			if i := strings.Index(rest, delimiter); i >= 0 {
				common = key[:len(prefix)+i+len(delimiter)]
			}
		}
		if common != "" && common == after { // told on an earlier page
			ok = it.Seek(afterPrefix(common))
			continue
		}
		if p.len() == limit {
			p.next = last
			break
		}
		if common == "" {
			p.keys, p.objects = append(p.keys, key), append(p.objects, it.Value())
			last, ok = key, it.Next()
			continue
		}
		p.prefixes = append(p.prefixes, common)
		last, ok = common, it.Seek(afterPrefix(common))
	}
	return p, nil
}

// afterPrefix is the first string after all that begin with p, which must end in
// a byte below 0xff: no delimiter of use ends otherwise.
func afterPrefix(p string) string { return p[:len(p)-1] + string([]byte{p[len(p)-1] + 1}) }

func (s *Server) listObjectsV2(q *request) error {
	after := q.get("start-after")
	if token := q.get("continuation-token"); token != "" {
		b, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil {
			return errInvalidArgument
		}
		after = string(b)
	}
	return s.listObjects(q, after, func(x *xmlBuffer, p *page) {
		x.element("KeyCount", strconv.Itoa(p.len()))
		if t := q.get("continuation-token"); t != "" {
			x.element("ContinuationToken", t)
		}
		if sa := q.get("start-after"); sa != "" {
			x.element("StartAfter", x.name(sa))
		}
		if p.next != "" {
			x.element("NextContinuationToken", base64.RawURLEncoding.EncodeToString([]byte(p.next)))
		}
	})
}

func (s *Server) listObjectsV1(q *request) error {
	return s.listObjects(q, q.get("marker"), func(x *xmlBuffer, p *page) {
		x.element("Marker", x.name(q.get("marker")))
		if p.next != "" {
			x.element("NextMarker", x.name(p.next))
		}
	})
}

// listObjects answers either version; where they differ is written by extra. The
// document is put together by hand: a large folder takes hundreds of pages, and
// encoding/xml would cost more than the client under test.
func (s *Server) listObjects(q *request, after string, extra func(*xmlBuffer, *page)) error {
	limit := maxKeysPage
	if m := q.get("max-keys"); m != "" {
		n, err := strconv.Atoi(m)
		if err != nil || n < 0 {
			return errInvalidArgument
		}
		limit = min(n, maxKeysPage)
	}
	delimiter := q.get("delimiter")
	p, err := s.store.list(q.bucket, q.get("prefix"), delimiter, after, limit)
	if err != nil {
		return err
	}
	x := &xmlBuffer{url: q.get("encoding-type") == "url"}
	x.b.Grow(512 + 320*p.len())
	x.b.WriteString(`<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">`)
	x.element("Name", q.bucket)
	x.element("Prefix", x.name(q.get("prefix")))
	x.element("MaxKeys", strconv.Itoa(limit))
	if delimiter != "" {
		x.element("Delimiter", x.name(delimiter))
	}
	if x.url {
		x.element("EncodingType", "url")
	}
	x.element("IsTruncated", strconv.FormatBool(p.next != ""))
	extra(x, p)
	owner := q.get("list-type") != "2" || q.get("fetch-owner") == "true"
	for i, key := range p.keys {
		o := p.objects[i]
		x.b.WriteString("<Contents>")
		x.element("Key", x.name(key))
		x.element("LastModified", stamp(o.modified))
		x.element("ETag", `"`+o.etag+`"`)
		x.element("Size", strconv.FormatInt(o.size, 10))
		if owner {
			x.b.WriteString("<Owner>")
			x.element("ID", ownerID)
			x.b.WriteString("</Owner>")
		}
		x.element("StorageClass", "STANDARD")
		x.b.WriteString("</Contents>")
	}
	for _, c := range p.prefixes {
		x.b.WriteString("<CommonPrefixes>")
		x.element("Prefix", x.name(c))
		x.b.WriteString("</CommonPrefixes>")
	}
	x.b.WriteString("</ListBucketResult>")
	writeXMLBytes(q.w, http.StatusOK, x.b.Bytes())
	return nil
}

// xmlBuffer writes the few elements that a listing has.
type xmlBuffer struct {
	b   bytes.Buffer
	url bool // names are percent-encoded, as the client asked
}

func (x *xmlBuffer) element(tag, text string) {
	x.b.WriteByte('<')
	x.b.WriteString(tag)
	x.b.WriteByte('>')
	xml.EscapeText(&x.b, []byte(text)) // a buffer never fails
	x.b.WriteString("</")
	x.b.WriteString(tag)
	x.b.WriteByte('>')
}

// name is a key as it stands in this listing. Slashes stay, as in S3.
func (x *xmlBuffer) name(key string) string {
	if !x.url {
		return key
	}
	return strings.ReplaceAll(url.QueryEscape(key), "%2F", "/")
}
