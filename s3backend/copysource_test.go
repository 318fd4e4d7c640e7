package s3backend

import (
	"cmp"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

// copier is a server with the objects "s" and "k", by their ETags, that refuses or does not
// understand some conditions of copies, and the checksums of parts.
type copier struct {
	etag        map[string]string
	noSource    bool // 501 for a copy's condition on its source
	noDashes    bool // that never matches an ETag of an upload in parts
	noTarget    bool // 501 for a copy's condition on its destination
	noPartSums  bool // 400 MalformedXML for a part's checksum in CompleteMultipartUpload
	putsWithout int  // PutObjects that had no condition
}

func (s *copier) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	key := strings.TrimPrefix(r.URL.Path, "/bkt/")
	match, absent := strings.Trim(r.Header.Get("If-Match"), `"`), r.Header.Get("If-None-Match")
	source, of := r.Header.Get("X-Amz-Copy-Source"),
		strings.Trim(r.Header.Get("X-Amz-Copy-Source-If-Match"), `"`)
	held := match != "" && match != s.etag[key] || absent != "" && s.etag[key] != ""
	switch {
	case r.Method == http.MethodHead:
		if s.etag[key] == "" {
			w.WriteHeader(http.StatusNotFound)
		}
		w.Header().Set("ETag", quote(s.etag[key]))
	case source != "" && (s.noSource && of != "" || s.noTarget && match+absent != ""):
		refuse(w, http.StatusNotImplemented, "NotImplemented")
	case source != "" &&
		of != "" && (of != s.etag["s"] || s.noDashes && strings.Contains(of, "-")), held:
		refuse(w, http.StatusPreconditionFailed, "PreconditionFailed")
	case r.Method == http.MethodPost && s.noPartSums &&
		strings.Contains(string(body), "ChecksumCRC32"):
		refuse(w, http.StatusBadRequest, "MalformedXML")
	default:
		if r.Method == http.MethodPut && source == "" && match+absent == "" {
			s.putsWithout++
		}
		s.etag[key] = "new"
		w.Header().Set("ETag", quote("new"))
		yes(w, r)
	}
}

// TestCopyIsMadeIfItsConditionsHold copies on servers with all mixtures of what they
// refuse: an object is copied if the conditions hold, and only then, and what one operation
// refuses is still sent with the others.
func TestCopyIsMadeIfItsConditionsHold(t *testing.T) {
	const bits = 7
	for mix := range 1 << bits {
		bit := func(n int) bool { return mix>>n&1 == 1 }
		s := &copier{noSource: bit(0), noDashes: bit(1), noTarget: bit(2)}
		etag := "se"
		if bit(3) {
			etag = "se-2"
		}
		changed, taken, replaces := bit(4), bit(5), bit(6)
		c := once(against(t, s.ServeHTTP))
		c.recentHeads.age = 0
		for round := range 5 {
			s.etag = map[string]string{"s": etag}
			if changed {
				s.etag["s"] = "theirs"
			}
			cond := Condition{IfNoneMatch: true}
			if replaces {
				cond = Condition{IfMatch: "ke"}
				s.etag["k"] = "ke"
			}
			if taken {
				s.etag["k"] = "other"
			}
			before := s.etag["k"]
			_, err := c.Copy(t.Context(), Object{Key: "s", ETag: etag, Size: 3}, "k", nil, cond)
			if fits := !changed && !taken; fits && err != nil ||
				!fits && (!errors.Is(err, Stale) || s.etag["k"] != before) {
				t.Errorf("%+v, source changed %v, destination taken %v, round %d: %+v: %v",
					*s, changed, taken, round, cond, err)
			}
		}
		s.etag = map[string]string{}
		for _, cond := range []Condition{{IfNoneMatch: true}, {IfMatch: "new"}} {
			if _, err := c.Put(t.Context(), "p", strings.NewReader("x"), 1, nil, cond); err != nil {
				t.Errorf("%+v: put: %v", *s, err)
			}
		}
		if s.putsWithout > 0 || !c.Conditional() {
			t.Errorf("%+v: %d PutObjects had no condition after the copies", *s, s.putsWithout)
		}
	}
}

// TestCompleteWithoutPartSums completes uploads where the checksums of parts are refused as
// MalformedXML: they are left out, and the conditions still count.
func TestCompleteWithoutPartSums(t *testing.T) {
	for _, cond := range []Condition{{}, {IfNoneMatch: true}, {IfMatch: "e"}} {
		for _, holds := range []bool{true, false} {
			s := &copier{noPartSums: true}
			c := once(against(t, s.ServeHTTP))
			for round := range 3 {
				s.etag = map[string]string{"k": cond.IfMatch}
				if !holds {
					s.etag["k"] = "other"
				}
				_, err := c.Complete(t.Context(), Upload{Key: "k", ID: "u", CRC32: true},
					[]Part{{Number: 1, ETag: "p", CRC32: "AAAAAA==", Size: 3}}, 3, cond)
				want := cmp.Or(holds, cond.zero())
				if want && err != nil || !want && !errors.Is(err, Stale) {
					t.Errorf("round %d: complete on %+v, which holds: %v: %v",
						round, cond, holds, err)
				}
			}
			if (holds || cond.zero()) && !c.quirks.noPartSums.Load() {
				t.Errorf("complete on %+v: it is not remembered", cond)
			}
		}
	}
}
