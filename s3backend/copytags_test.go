package s3backend

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// tagServer is a server with one object, "s", of which copies are judged.
type tagServer struct {
	tagged       bool // the object has tags
	readable     bool // they may be read
	told         bool // HeadObject tells how many there are
	granted      bool // a copy of tags is granted
	asksAlways   bool // it asks for that of every copy that does not replace the tags
	unknownQuery bool // it has no tags, and says so
	noPut        bool // nothing may be put
	log          []string
}

func (s *tagServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	replaces := r.Header.Get("X-Amz-Tagging-Directive") == "REPLACE"
	op := map[string]string{"HEAD": "head", "GET": "tags"}[r.Method]
	if r.Header.Get("X-Amz-Copy-Source") != "" {
		op = "copy"
		if replaces {
			op = "copy without tags"
		}
	}
	s.log = append(s.log, op)
	switch {
	case op == "head":
		w.Header().Set("ETag", `"e"`)
		if s.tagged && s.told {
			w.Header().Set("X-Amz-Tagging-Count", "1")
		}
	case op == "tags" && s.unknownQuery:
		refuse(w, http.StatusNotImplemented, "NotImplemented")
	case op == "tags" && !s.readable:
		refuse(w, http.StatusForbidden, "AccessDenied")
	case op == "tags" && s.tagged:
		w.Write(
			[]byte("<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"))
	case op == "tags":
		w.Write([]byte("<Tagging><TagSet></TagSet></Tagging>"))
	case s.noPut, s.tagged && !s.granted, s.asksAlways && !s.granted && !replaces:
		refuse(w, http.StatusForbidden, "AccessDenied")
	default:
		yes(w, r)
	}
}

// TestTagsAreKeptOrTheCopyIsRefused copies an object on servers of all kinds: what has
// tags keeps them, or is not copied, and the reason is given; what has none is copied.
func TestTagsAreKeptOrTheCopyIsRefused(t *testing.T) {
	for bits := range 1 << 8 {
		bit := func(n int) bool { return bits>>n&1 == 1 }
		s := &tagServer{
			tagged: bit(0), readable: bit(1), told: bit(2), granted: bit(3), asksAlways: bit(4),
			unknownQuery: bit(5), noPut: bit(6),
		}
		onAWS := bit(7)
		switch {
		case s.tagged && s.unknownQuery: // it has none, if it knows none
			continue
		// AWS tells who may read them, and copies them for no others.
		case onAWS && (s.unknownQuery || !s.readable && (s.told || s.granted)):
			continue
		case !onAWS && s.tagged && !s.told && !s.readable: // other servers tell everybody
			continue
		}
		c := once(against(t, s.ServeHTTP))
		c.notAWS = !onAWS
		c.quirks.source.result.Store(probeChecked)
		for round := range 3 {
			s.log = nil
			_, err := c.Copy(t.Context(),
				Object{Key: "s", ETag: "e", Class: ClassStandard}, "k", nil, Condition{})
			granted := !s.noPut && (s.granted || !s.tagged)
			if (err == nil) != granted {
				t.Errorf("%+v, on AWS %v, round %d: %v, want it granted: %v", *s,
					onAWS, round, err, granted)
			}
			if s.tagged && slices.Contains(s.log, "copy without tags") &&
				(err == nil || s.readable || s.told) {
				t.Errorf("%+v, on AWS %v: the tags are dropped: %q", *s, onAWS, s.log)
			}
			if s.tagged && !s.noPut && !granted {
				var e *Error
				if !errors.Is(err, ErrTagsRefused) || !errors.As(err, &e) || e.Key != "s" ||
					!strings.Contains(err.Error(), "s3:GetObjectTagging") {
					t.Errorf("%+v, on AWS %v: %v does not say that it is for the tags of s",
						*s, onAWS, err)
				}
			}
			if s.noPut && !s.tagged && (s.readable || !onAWS) && errors.Is(err, ErrTagsRefused) {
				t.Errorf("%+v, on AWS %v: %v, and there are no tags", *s, onAWS, err)
			}
			if n := len(s.log); granted && s.granted && n > 1 {
				t.Errorf("%+v, on AWS %v: %q, where one request would do", *s, onAWS, s.log)
			}
			if round > 0 && granted && s.asksAlways && !s.granted &&
				slices.Contains(s.log, "copy") {
				t.Errorf("%+v, on AWS %v, round %d: a refusal is asked for again: %q",
					*s, onAWS, round, s.log)
			}
		}
	}
}
