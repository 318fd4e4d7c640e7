package s3backend

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// fake is a server of objects by their ETags, with the faults that real ones
// have with conditions and checksums.
type fake struct {
	mu   sync.Mutex
	etag map[string]string // by key
	log  []string          // "PUT k If-Match", in order

	unquotedMatch  bool // If-Match on PUT matches unquoted ETags only
	noConditions   bool // 501 for a condition on PUT
	ignoreAbsent   bool // If-None-Match on PUT
	ignoreMatch    bool // If-Match on PUT
	ignoreComplete bool
	completeAbsent bool // ignore If-None-Match alone there
	ignoreCopy     bool // the destination's conditions
	ignoreSource   bool
	ignoreDelete   bool
	noChecksum     bool // 400 for x-amz-checksum-*
	noHead         bool // 403 for HEAD
	noList         bool // 403 for a listing
	conflicts      int  // that many 409s before a PUT works
	untried        bool // conditions are not tried out at once

	before func(f *fake, r *http.Request) // called with mu held
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.before != nil {
		f.before(f, r)
	}
	key := strings.TrimPrefix(r.URL.Path, "/bkt/")
	q := r.URL.Query()
	line := r.Method + " " + key
	for _, h := range []string{"If-Match", "If-None-Match", "X-Amz-Copy-Source-If-Match"} {
		if v := r.Header.Get(h); v == quote(noETag) {
			line += " " + h + "=never"
		} else if v != "" {
			line += " " + h
		}
	}
	f.log = append(f.log, line)
	switch {
	case r.Method == "HEAD":
		f.head(w, key)
	case q.Has("list-type"):
		f.list(w, q.Get("prefix"))
	case r.Method == "DELETE":
		if f.ignoreDelete || f.holds(w, r, key) {
			delete(f.etag, key)
			w.WriteHeader(http.StatusNoContent)
		}
	case r.Method == "POST" && q.Has("uploads"):
		if !f.refusesSum(w, r, "X-Amz-Checksum-Algorithm") {
			yes(w, r)
		}
	case r.Method == "POST":
		if f.ignoreComplete ||
			f.completeAbsent && r.Header.Get("If-None-Match") != "" || f.holds(w, r, key) {
			f.etag[key] = "e"
			yes(w, r)
		}
	case r.Header.Get("X-Amz-Copy-Source") != "":
		f.copy(w, r, key)
	case q.Has("partNumber"):
		if !f.refusesSum(w, r, "X-Amz-Checksum-Crc32") {
			w.Header().Set("ETag", `"p"`)
		}
	default:
		f.put(w, r, key, body)
	}
}

func (f *fake) head(w http.ResponseWriter, key string) {
	switch e := f.etag[key]; {
	case f.noHead:
		w.WriteHeader(http.StatusForbidden)
	case e == "":
		w.WriteHeader(http.StatusNotFound)
	default:
		w.Header().Set("ETag", `"`+e+`"`)
	}
}

func (f *fake) list(w http.ResponseWriter, prefix string) {
	if f.noList {
		refuse(w, 403, "AccessDenied")
		return
	}
	var c string
	if e := f.etag[prefix]; e != "" {
		c = fmt.Sprintf(`<Contents><Key>%s</Key><ETag>"%s"</ETag></Contents>`, prefix, e)
	}
	fmt.Fprintf(w, "<ListBucketResult><Name>bkt</Name>%s</ListBucketResult>", c)
}

func (f *fake) put(w http.ResponseWriter, r *http.Request, key string, body []byte) {
	match := r.Header.Get("If-Match")
	switch {
	case f.conflicts > 0:
		f.conflicts--
		refuse(w, 409, "ConditionalRequestConflict")
		return
	case f.refusesSum(w, r, "X-Amz-Checksum-Crc32"):
		return
	case f.noConditions && (match != "" || r.Header.Get("If-None-Match") != ""):
		refuse(w, 501, "NotImplemented")
		return
	case f.unquotedMatch && strings.HasPrefix(match, `"`):
		refuse(w, 412, "PreconditionFailed")
		return
	case f.ignoreAbsent && r.Header.Get("If-None-Match") != "", f.ignoreMatch && match != "":
	case !f.holds(w, r, key):
		return
	}
	sum := md5.Sum(body)
	f.etag[key] = hex.EncodeToString(sum[:])
	w.Header().Set("ETag", `"`+f.etag[key]+`"`)
}

func (f *fake) copy(w http.ResponseWriter, r *http.Request, key string) {
	source, _ := url.PathUnescape(strings.TrimPrefix(r.Header.Get("X-Amz-Copy-Source"), "bkt/"))
	want := r.Header.Get("X-Amz-Copy-Source-If-Match")
	switch e := f.etag[source]; {
	case e == "":
		refuse(w, 404, "NoSuchKey")
		return
	case want != "" && want != quote(e) && !f.ignoreSource:
		refuse(w, 412, "PreconditionFailed")
		return
	}
	if f.ignoreCopy || f.holds(w, r, key) {
		if !r.URL.Query().Has("partNumber") {
			f.etag[key] = "e"
		}
		yes(w, r)
	}
}

// holds answers for AWS: 412, or 404 where If-Match finds nothing.
func (f *fake) holds(w http.ResponseWriter, r *http.Request, key string) bool {
	match, e := r.Header.Get("If-Match"), f.etag[key]
	switch {
	case r.Header.Get("If-None-Match") != "" && e != "", match != "" &&
		e != "" && match != quote(e):
		refuse(w, 412, "PreconditionFailed")
	case match != "" && e == "":
		refuse(w, 404, "NoSuchKey")
	default:
		return true
	}
	return false
}

func (f *fake) refusesSum(w http.ResponseWriter, r *http.Request, header string) bool {
	if f.noChecksum && r.Header.Get(header) != "" {
		refuse(w, 400, "InvalidRequest")
		return true
	}
	return false
}
