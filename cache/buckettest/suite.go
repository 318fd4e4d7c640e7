package buckettest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/s3share/s3share/s3backend"
)

// noSuchETag is a version that no key holds.
const noSuchETag = "0123456789abcdef0123456789abcdef"

// Run holds a bucket to what the cache relies on. open returns one that may hold
// other keys; what the suite makes, it removes.
func Run(t *testing.T, open func(*testing.T) S3) {
	for _, c := range []struct {
		name string
		run  func(*suite)
	}{
		{"PutGet", (*suite).putGet},
		{"PutConditions", (*suite).putConditions},
		{"Multipart", (*suite).multipart},
		{"CompleteConditions", (*suite).completeConditions},
		{"CopyPart", (*suite).copyPart},
		{"Copy", (*suite).copy},
		{"Delete", (*suite).delete},
		{"ListPages", (*suite).listPages},
		{"ListDelimiter", (*suite).listDelimiter},
		{"ListBeside", (*suite).listBeside},
		{"Missing", (*suite).missing},
		{"Canceled", (*suite).canceled},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &suite{T: t, b: open(t), prefix: fmt.Sprintf("suite-%x/", rand.Uint64())}
			defer s.cleanUp()
			c.run(s)
		})
	}
}

type suite struct {
	*testing.T
	b      S3
	prefix string
}

func (s *suite) cleanUp() {
	s.Helper()
	objs := s.listAll(s3backend.ListInput{Prefix: s.prefix}).Objects
	if len(objs) == 0 {
		return
	}
	if failed, err := s.b.DeleteAll(context.Background(), objs); err != nil || len(failed) > 0 {
		s.Errorf("DeleteAll = %v, %v", failed, err)
	}
}

func (s *suite) put(name, data string, h *s3backend.Header,
	cond s3backend.Condition) s3backend.Object {
	s.Helper()
	obj, err := s.b.Put(s.Context(), s.prefix+name, strings.NewReader(data),
		int64(len(data)), h, cond)
	if err != nil {
		s.Fatalf("Put %q: %v", name, err)
	}
	if obj.Key != s.prefix+name || obj.ETag == "" || obj.Size != int64(len(data)) {
		s.Fatalf("Put %q = %+v", name, obj)
	}
	return obj
}

func (s *suite) wantStale(what string, err error) {
	s.Helper()
	if !errors.Is(err, s3backend.Stale) {
		s.Errorf("%s: %v, want Stale", what, err)
	}
}

func (s *suite) wantNotExist(what string, err error) {
	s.Helper()
	if !errors.Is(err, s3backend.NotExist) {
		s.Errorf("%s: %v, want NotExist", what, err)
	}
}

// wantHolds fails unless key holds data.
func (s *suite) wantHolds(name string, data []byte) s3backend.Object {
	s.Helper()
	obj, err := s.b.Head(s.Context(), s.prefix+name)
	if err != nil {
		s.Fatalf("Head %q: %v", name, err)
	}
	if obj.Size != int64(len(data)) {
		s.Fatalf("Head %q tells %d bytes, want %d", name, obj.Size, len(data))
	}
	if got := s.get(obj, 0, obj.Size); !bytes.Equal(got, data) {
		s.Fatalf("%q holds other bytes than were sent", name)
	}
	return obj
}

func (s *suite) get(obj s3backend.Object, off, n int64) []byte {
	s.Helper()
	r, err := s.b.Get(s.Context(), obj, off, n)
	if err != nil {
		s.Fatalf("Get %q: %v", obj.Key, err)
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil {
		s.Fatalf("Get %q: %v", obj.Key, err)
	}
	return got
}

func (s *suite) listAll(in s3backend.ListInput) s3backend.Page {
	s.Helper()
	var all s3backend.Page
	for range 1000 {
		p, err := s.b.List(context.Background(), in)
		if err != nil {
			s.Fatalf("List %+v: %v", in, err)
		}
		if in.Max > 0 && len(p.Objects)+len(p.Prefixes) > int(in.Max) {
			s.Fatalf("List %+v: a page of %d", in, len(p.Objects)+len(p.Prefixes))
		}
		all.Objects = append(all.Objects, p.Objects...)
		all.Prefixes = append(all.Prefixes, p.Prefixes...)
		if in.Token = p.Next; in.Token == "" {
			return all
		}
	}
	s.Fatalf("List %+v does not end", in)
	return all
}

func (s *suite) putGet() {
	h := &s3backend.Header{ContentType: "text/csv", CacheControl: "no-cache",
		User: map[string]string{"mtime": "1.5", "Mode": "33188"}}
	put := s.put("f", "hello", h, s3backend.Condition{})
	got := s.wantHolds("f", []byte("hello"))
	if got.ETag != put.ETag || got.Modified.IsZero() {
		s.Errorf("Head = %+v, Put told %+v", got, put)
	}
	if got.Header == nil || got.Header.ContentType != "text/csv" ||
		got.Header.CacheControl != "no-cache" ||
		got.Header.User["mtime"] != "1.5" || got.Header.User["mode"] != "33188" {
		s.Errorf("Head tells the header %+v, want %+v", got.Header, h)
	}
	if b := s.get(put, 1, 3); string(b) != "ell" {
		s.Errorf("Get of 3 bytes from 1 on = %q", b)
	}
	if empty := s.put("empty", "", nil, s3backend.Condition{}); len(s.get(empty, 0, 0)) != 0 {
		s.Error("Get of nothing has bytes")
	}
	part := bytes.NewReader([]byte("..middle.."))
	part.Seek(2, io.SeekStart)
	if _, err := s.b.Put(s.Context(), s.prefix+"part", part,
		6, nil, s3backend.Condition{}); err != nil {
		s.Fatalf("Put of a body's middle: %v", err)
	}
	s.wantHolds("part", []byte("middle"))
}

func (s *suite) putConditions() {
	one := s.put("f", "one", nil, s3backend.Condition{IfNoneMatch: true})
	for what, cond := range map[string]s3backend.Condition{
		"IfNoneMatch over an object": {IfNoneMatch: true},
		"another version's IfMatch":  {IfMatch: noSuchETag},
	} {
		_, err := s.b.Put(s.Context(), s.prefix+"f", strings.NewReader("x"), 1, nil, cond)
		s.wantStale("Put with "+what, err)
	}
	s.wantHolds("f", []byte("one"))
	s.put("f", "two", nil, s3backend.Condition{IfMatch: one.ETag})
	s.wantHolds("f", []byte("two"))
	_, err := s.b.Get(s.Context(), one, 0, 3)
	s.wantStale("Get of a version that was replaced", err)
	_, err = s.b.Put(s.Context(), s.prefix+"none", strings.NewReader("x"), 1, nil,
		s3backend.Condition{IfMatch: one.ETag})
	s.wantStale("Put with IfMatch where nothing is", err)
}

func (s *suite) copy() {
	src := s.put("src", "hello", &s3backend.Header{ContentType: "text/x-a",
		User: map[string]string{"k": "v"}}, s3backend.Condition{})
	kept, err := s.b.Copy(s.Context(), src, s.prefix+"dst", nil,
		s3backend.Condition{IfNoneMatch: true})
	if err != nil {
		s.Fatalf("Copy: %v", err)
	}
	if got := s.wantHolds("dst", []byte("hello")); got.ETag != kept.ETag ||
		got.Header.ContentType != "text/x-a" || got.Header.User["k"] != "v" {
		s.Errorf("Head of the copy = %+v, %+v", got, got.Header)
	}
	_, err = s.b.Copy(s.Context(), src, s.prefix+"dst", nil, s3backend.Condition{IfNoneMatch: true})
	s.wantStale("Copy with IfNoneMatch onto an object", err)
	_, err = s.b.Copy(s.Context(), src, s.prefix+"dst", nil,
		s3backend.Condition{IfMatch: noSuchETag})
	s.wantStale("Copy with another version's IfMatch", err)
	stale := src
	stale.ETag = noSuchETag
	_, err = s.b.Copy(s.Context(), stale, s.prefix+"new", nil, s3backend.Condition{})
	s.wantStale("Copy of a version that is gone", err)
	none := src
	none.Key += "-none"
	_, err = s.b.Copy(s.Context(), none, s.prefix+"new", nil, s3backend.Condition{})
	s.wantNotExist("Copy of nothing", err)
	self, err := s.b.Copy(s.Context(), src, src.Key, &s3backend.Header{ContentType: "text/x-b"},
		s3backend.Condition{IfMatch: src.ETag})
	if err != nil {
		s.Fatalf("Copy onto itself with a new header: %v", err)
	}
	if got := s.wantHolds("src", []byte("hello")); got.ETag != self.ETag ||
		got.Header.ContentType != "text/x-b" || len(got.Header.User) > 0 {
		s.Errorf("Head after a copy onto itself = %+v, %+v", got, got.Header)
	}
}

func (s *suite) delete() {
	if err := s.b.MayDelete(s.Context(), s.prefix); err != nil {
		s.Errorf("MayDelete: %v", err)
	}
	obj := s.put("f", "hello", nil, s3backend.Condition{})
	s.wantStale("Delete with another version's IfMatch",
		s.b.Delete(s.Context(), obj.Key, s3backend.Condition{IfMatch: noSuchETag}))
	s.wantHolds("f", []byte("hello"))
	// The first Delete removes it.
	for _, cond := range []s3backend.Condition{{IfMatch: obj.ETag}, {IfMatch: obj.ETag}, {}} {
		if err := s.b.Delete(s.Context(), obj.Key, cond); err != nil {
			s.Errorf("Delete %+v: %v", cond, err)
		}
	}
	objs := []s3backend.Object{{Key: s.prefix + "none"}}
	for _, name := range []string{"a", "b/c", "b c+%20ü"} {
		objs = append(objs, s.put(name, name, nil, s3backend.Condition{}))
	}
	failed, err := s.b.DeleteAll(s.Context(), objs)
	if err != nil || len(failed) > 0 {
		s.Errorf("DeleteAll = %v, %v", failed, err)
	}
	if left := s.listAll(s3backend.ListInput{Prefix: s.prefix}); len(left.Objects) > 0 {
		s.Errorf("left after DeleteAll: %+v", left.Objects)
	}
}

func (s *suite) missing() {
	_, err := s.b.Head(s.Context(), s.prefix+"none")
	s.wantNotExist("Head", err)
	_, err = s.b.Get(s.Context(), s3backend.Object{Key: s.prefix + "none"}, 0, 1)
	s.wantNotExist("Get", err)
	if page := s.listAll(s3backend.ListInput{Prefix: s.prefix}); len(
		page.Objects)+len(page.Prefixes) > 0 {
		s.Errorf("List of nothing = %+v", page)
	}
}

func (s *suite) canceled() {
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	for what, send := range map[string]func() error{
		"Head": func() error { _, err := s.b.Head(ctx, s.prefix+"f"); return err },
		"List": func() error {
			_, err := s.b.List(ctx, s3backend.ListInput{Prefix: s.prefix})
			return err
		},
		"Put": func() error {
			_, err := s.b.Put(ctx, s.prefix+"f", strings.NewReader("x"),
				1, nil, s3backend.Condition{})
			return err
		},
	} {
		if err := send(); !errors.Is(err, context.Canceled) {
			s.Errorf("%s by who has left: %v, want context.Canceled", what, err)
		}
	}
}
