package s3backend

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// partCopier is a server with the object "s" of six bytes, which is copied by parts.
type partCopier struct {
	mu        sync.Mutex
	etag      string // of s
	noSource  bool   // 501 for a copy's condition on its source
	noDashes  bool   // that never matches an ETag of an upload in parts
	ignores   bool   // it ignores that condition
	noCopies  bool   // 501 for every copy of a part
	changesAt int    // s is replaced before so many parts are copied; 0: never
	parts     int    // that were copied
	completed bool
	aborted   bool
}

func (s *partCopier) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	of := strings.Trim(r.Header.Get("X-Amz-Copy-Source-If-Match"), `"`)
	part := r.URL.Query().Has("partNumber")
	if part && s.parts+1 == s.changesAt {
		s.etag = "theirs"
	}
	switch {
	case r.Method == http.MethodHead:
		w.Header().Set("ETag", quote(s.etag))
	case part && (s.noCopies || s.noSource && of != ""):
		refuse(w, http.StatusNotImplemented, "NotImplemented")
	case part && !s.ignores && of != "" && (of != s.etag || s.noDashes && inParts(of)):
		refuse(w, http.StatusPreconditionFailed, "PreconditionFailed")
	case r.Method == http.MethodDelete:
		s.aborted = true
		w.WriteHeader(http.StatusNoContent)
	default:
		if part {
			s.parts++
		}
		s.completed = s.completed || r.Method == http.MethodPost && r.URL.Query().Has("uploadId")
		yes(w, r)
	}
}

func (s *partCopier) begin(etag string, changesAt int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.etag, s.changesAt, s.parts, s.completed, s.aborted = etag, changesAt, 0, false, false
}

func (s *partCopier) result() (parts int, completed, aborted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.parts, s.completed, s.aborted
}

// TestLargeCopyIsOfOneVersion copies by parts, as above 5 GiB, on servers
// with all mixtures of what they do with the condition on the source: the copy is made if the
// source does not change, and only then. Otherwise the upload is aborted.
func TestLargeCopyIsOfOneVersion(t *testing.T) {
	const bits = 4
	for mix := range 1 << bits {
		bit := func(n int) bool { return mix>>n&1 == 1 }
		etag := "se"
		if bit(3) {
			etag = "se-2"
		}
		for changesAt := range 4 {
			s := &partCopier{noSource: bit(0), noDashes: bit(1), ignores: bit(2)}
			c := once(against(t, s.ServeHTTP))
			c.recentHeads.age = 0
			for round := range 4 {
				s.begin(etag, changesAt)
				src := Object{Key: "s", ETag: etag, Size: 6, Header: &Header{}}
				_, err := c.copyLarge(t.Context(), source{c, src}, "k", nil, Condition{}, 2)
				parts, completed, aborted := s.result()
				what := fmt.Sprintf(
					"ETag %s, source replaced at part %d, condition refused %v, never matched %v, ignored %v, round %d",
					etag, changesAt, bit(0), bit(1), bit(2), round)
				switch fits := changesAt == 0; {
				case fits && (err != nil || !completed || parts != 3):
					t.Errorf("%s: %v, want it copied", what, err)
				case !fits && (!errors.Is(err, Stale) || completed || !aborted):
					t.Errorf("%s: %v, want Stale, and the upload aborted", what, err)
				}
			}
		}
	}
}

// TestLargeCopyFailsBeforeTheEnd copies by parts on a server that copies none: the error is
// Refused, and nothing is completed.
func TestLargeCopyFailsBeforeTheEnd(t *testing.T) {
	s := &partCopier{noCopies: true, etag: "se-2"}
	c := once(against(t, s.ServeHTTP))
	c.largestCopy = 5
	_, err := c.Copy(t.Context(),
		Object{Key: "s", ETag: s.etag, Size: 6, Header: &Header{}}, "k", nil, Condition{})
	if _, completed, aborted := s.result(); !errors.Is(err, Refused) || completed || !aborted {
		t.Errorf("%v, completed %v, aborted %v", err, completed, aborted)
	}
}
