package s3backend

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
)

// noteServer is a server with the object "s" and what is copied from it, of which requests about
// annotations are judged.
type noteServer struct {
	mu         sync.Mutex
	has        map[string]string // annotations of s
	list, get  bool              // s3:ListObjectAnnotations, s3:GetObjectAnnotation are granted
	put        bool              // s3:PutObjectAnnotation is granted
	asksAlways bool              // a copy needs both of these though s has none
	noPut      bool              // nothing may be put
	answer     int               // to a list: 0 as AWS; 501; 200 with the object itself

	copied map[string]string // annotations of the copy, nil for no copy
	log    []string
}

func (s *noteServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	q := r.URL.Query()
	name, copies := q.Get("annotationName"), r.Header.Get("X-Amz-Copy-Source") != "" &&
		!q.Has("partNumber")
	exclude := r.Header.Get("X-Amz-Object-Annotation-Directive") == "EXCLUDE"
	if q.Has("annotation") {
		s.log = append(s.log, strings.TrimSpace(r.Method+" "+name))
	}
	switch {
	case r.Method == http.MethodHead:
		w.Header().Set("ETag", `"e"`)
	case q.Has("annotation") && s.answer == http.StatusNotImplemented:
		refuse(w, http.StatusNotImplemented, "NotImplemented")
	case q.Has("annotation") && s.answer == http.StatusOK:
		w.Header().Set("Accept-Ranges", "bytes")
		w.Write([]byte("<Annotations>of the object</Annotations>"))
	case q.Has("annotation") && r.Method == http.MethodPut && !s.put,
		q.Has("annotation") && r.Method == http.MethodGet && name != "" && !s.get,
		q.Has("annotation") && name == "" && !s.list,
		copies && s.noPut,
		copies && !exclude && (len(s.has) > 0 || s.asksAlways) && !(s.get && s.put):
		refuse(w, http.StatusForbidden, "AccessDenied")
	case q.Has("annotation") && r.Method == http.MethodPut:
		s.copied[name] = string(body)
	case q.Has("annotation") && name != "":
		w.Write([]byte(s.has[name]))
	case q.Has("annotation"):
		all := "<R><Annotations>"
		for _, name := range slices.Sorted(maps.Keys(s.has)) {
			all += fmt.Sprintf(
				"<AnnotationEntry><AnnotationName>%s</AnnotationName><Size>%d</Size></AnnotationEntry>", name, len(s.has[name]))
		}
		w.Write([]byte(all + "</Annotations></R>"))
	case q.Has("tagging"):
		w.Write([]byte("<Tagging><TagSet></TagSet></Tagging>"))
	case r.Method == http.MethodDelete && !q.Has("uploadId"):
		s.copied = nil
		w.WriteHeader(http.StatusNoContent)
	default:
		if copies {
			s.copied = map[string]string{}
			if !exclude {
				maps.Copy(s.copied, s.has)
			}
		} else if q.Has("uploadId") && r.Method == http.MethodPost {
			s.copied = map[string]string{}
		}
		yes(w, r)
	}
}

// TestAnnotationsAreKeptOrTheCopyIsRefused copies an object, by one request and by parts, for all
// that a policy may grant: what has annotations keeps them, or is not copied, and the reason is
// given; what has none is copied. By parts, what may not be listed is copied without.
func TestAnnotationsAreKeptOrTheCopyIsRefused(t *testing.T) {
	for bits := range 1 << 7 {
		bit := func(n int) bool { return bits>>n&1 == 1 }
		s := &noteServer{list: bit(0), get: bit(1), put: bit(2), asksAlways: bit(3), noPut: bit(4)}
		annotated, parts := bit(5), bit(6)
		if parts && (s.noPut || s.asksAlways) {
			continue
		}
		if annotated {
			s.has = map[string]string{"a": "1", "b": "2"}
		}
		c := once(against(t, s.ServeHTTP))
		c.notAWS = false
		if parts {
			c.largestCopy = 2
		}
		what := fmt.Sprintf("%+v, annotated %v, by parts %v", s, annotated, parts)
		for round := range 3 {
			s.copied, s.log = nil, nil
			_, err := c.Copy(t.Context(), Object{Key: "Delivery/s", ETag: "e", Size: 3,
				Class: ClassStandard, Header: &Header{}}, "Delivery/k",
				nil, Condition{IfNoneMatch: true})
			all := s.get && s.put
			var granted bool
			switch {
			case parts:
				granted = all && s.list || !annotated || !s.list
			case annotated || s.asksAlways && !s.list:
				granted = all && !s.noPut
			default:
				granted = !s.noPut
			}
			want := s.has
			if parts && !s.list {
				want = nil
			}
			switch {
			case (err == nil) != granted, err != nil && s.copied != nil:
				t.Errorf("%s, round %d: %v, copied %v, want it granted: %v", what,
					round, err, s.copied, granted)
			case err == nil && (s.copied == nil || !maps.Equal(s.copied, want)):
				t.Errorf("%s, round %d: the copy has %v", what, round, s.copied)
			case err != nil && annotated && !s.noPut && !errors.Is(err, ErrAnnotationsRefused):
				t.Errorf("%s, round %d: %v does not say that it is for the annotations",
					what, round, err)
			case err != nil && !annotated && s.list && errors.Is(err, ErrAnnotationsRefused):
				t.Errorf("%s, round %d: %v, and there are none", what, round, err)
			case !parts && err == nil && all && len(s.log) > 0:
				t.Errorf("%s, round %d: %q, where the copy would do", what, round, s.log)
			case round > 0 && !s.list && slices.Contains(s.log, "GET"):
				t.Errorf("%s, round %d: a refusal is asked for again: %q", what, round, s.log)
			}
		}
	}
}

// TestAnnotationsAreNotAskedForInVain asks servers that are not AWS, and ones that do not know
// annotations: the former are sent nothing, the latter one list, and never a PUT.
func TestAnnotationsAreNotAskedForInVain(t *testing.T) {
	for _, tt := range []struct {
		name   string
		notAWS bool
		answer int
		want   int
	}{
		{"not AWS", true, 0, 0},
		{"501", false, http.StatusNotImplemented, 1},
		{"the object itself", false, http.StatusOK, 1},
	} {
		s := &noteServer{answer: tt.answer, list: true, get: true,
			put: true, has: map[string]string{"a": "1"}, copied: map[string]string{}}
		c := once(against(t, s.ServeHTTP))
		c.notAWS = tt.notAWS
		for range 2 {
			if list, err := c.Annotations(t.Context(), "Delivery/s"); err != nil || len(list) > 0 {
				t.Errorf("%s: annotations = %v, %v", tt.name, list, err)
			}
			if _, err := c.Annotation(t.Context(), "Delivery/s", "a"); err == nil {
				t.Errorf("%s: an annotation was read", tt.name)
			}
			if err := c.Annotate(t.Context(), Object{Key: "Delivery/s", ETag: "e"},
				"a", []byte("x")); err == nil {
				t.Errorf("%s: an annotation was put", tt.name)
			}
		}
		if len(s.log) != tt.want {
			t.Errorf("%s: %q, want %d requests", tt.name, s.log, tt.want)
		}
	}
}
