package memserver

import (
	"net/http"
	"strconv"
	"strings"
)

// etagIn reports whether header, a list as in If-Match, names etag.
func etagIn(header, etag string) bool {
	for tag := range strings.SplitSeq(header, ",") {
		tag = strings.Trim(strings.TrimSpace(tag), `"`)
		if tag == "*" || tag == etag {
			return true
		}
	}
	return false
}

// readConditions says whether o may be read under h's conditions, whose names
// begin with prefix: empty, or that of a copy's source. If-Match outweighs
// If-Unmodified-Since, and If-None-Match If-Modified-Since, as RFC 9110 section
// 13.2.2 and S3 have it.
func readConditions(h http.Header, prefix string, o *object) error {
	notModified := errNotModified
	if prefix != "" {
		notModified = errPreconditionFailed
	}
	if m := h.Get(prefix + "If-Match"); m != "" {
		if !etagIn(m, o.etag) {
			return errPreconditionFailed
		}
	} else if t, err := http.ParseTime(h.Get(prefix + "If-Unmodified-Since")); err == nil &&
		o.modified.After(t) {
		return errPreconditionFailed
	}
	if m := h.Get(prefix + "If-None-Match"); m != "" {
		if etagIn(m, o.etag) {
			return notModified
		}
	} else if t, err := http.ParseTime(h.Get(prefix + "If-Modified-Since")); err == nil &&
		!o.modified.After(t) {
		return notModified
	}
	return nil
}

// writeConditions says whether old, nil when there is none, may be replaced.
func writeConditions(h http.Header, old *object) error {
	if m := h.Get("If-Match"); m != "" {
		if old == nil {
			return errNoSuchKey
		}
		if !etagIn(m, old.etag) {
			return errPreconditionFailed
		}
	}
	if m := h.Get("If-None-Match"); m != "" && old != nil && etagIn(m, old.etag) {
		return errPreconditionFailed
	}
	return nil
}

// parseRange reads a Range header for size bytes. It returns ok false where S3
// ignores the header and sends all: no range, several, or nonsense.
func parseRange(header string, size int64) (off, n int64, ok bool, err error) {
	spec, found := strings.CutPrefix(header, "bytes=")
	if !found || strings.Contains(spec, ",") {
		return 0, 0, false, nil
	}
	from, to, found := strings.Cut(spec, "-")
	if !found {
		return 0, 0, false, nil
	}
	if from == "" { // the last n bytes
		n, err := strconv.ParseInt(to, 10, 64)
		if err != nil || n < 0 {
			return 0, 0, false, nil
		}
		if n == 0 || size == 0 {
			return 0, 0, false, errInvalidRange
		}
		n = min(n, size)
		return size - n, n, true, nil
	}
	first, err1 := strconv.ParseInt(from, 10, 64)
	last := size - 1
	var err2 error
	if to != "" {
		last, err2 = strconv.ParseInt(to, 10, 64)
	}
	if err1 != nil || err2 != nil || first < 0 || (to != "" && last < first) {
		return 0, 0, false, nil
	}
	if first >= size {
		return 0, 0, false, errInvalidRange
	}
	last = min(last, size-1)
	return first, last - first + 1, true, nil
}
